"""Requests between services: one that was begun is finished, although nobody waits for its reply any more."""

import asyncio
from contextlib import AsyncExitStack

import aio_pika
import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import rabbitmq
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import Done, TakeDown, messaging_request_decoder
from shared.redis import Partitions
from shared.requests import Requester, Responder
from shared.store_clock import StoreClock
from tests.support.broker import DEAD, WORK, consumer_of, publisher_of, running, until

ASKED_SECONDS = 0.3
REQUEST = TakeDown("conversation", 1)


class Service:
    """Carries out requests once its backend is there. Remembers for each attempt whether it may have been made before."""

    def __init__(self) -> None:
        self.is_away = True
        self.attempts: list[bool] = []

    async def handle(self, _request: object, again: bool) -> msgspec.Struct:
        self.attempts.append(again)
        if self.is_away:
            raise RedisConnectionError("away")
        return Done()


@pytest.fixture
async def url(amqp_url: str) -> str:
    """The broker's, with an empty queue."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for queue in (DEAD, WORK):
            await (await rabbitmq.declare(channel, queue)).purge()
    return amqp_url


async def ask(url: str, partitions: Partitions) -> None:
    """Ask, and get no answer in time."""
    publisher = publisher_of(url, DEAD, WORK)
    async with running(publisher):
        requester = Requester(publisher, partitions, StoreClock(partitions))
        with pytest.raises(ProtocolError) as refused:
            await requester.ask(WORK, REQUEST, Done, seconds=ASKED_SECONDS)
    assert refused.value.code == ErrorCode.UNAVAILABLE


async def answering(url: str, partitions: Partitions, service: Service, stack: AsyncExitStack) -> None:
    """Answer requests until the stack is closed."""
    consumer = consumer_of(url)
    await stack.enter_async_context(running(consumer))
    responder = Responder(consumer, partitions, messaging_request_decoder, service.handle, clock=StoreClock(partitions))
    task = asyncio.create_task(responder.run())
    stack.callback(task.cancel)


async def test_what_was_begun_is_finished_when_nobody_waits_any_more(url: str, partitions: Partitions) -> None:
    service = Service()
    async with AsyncExitStack() as stack:
        await answering(url, partitions, service, stack)
        await ask(url, partitions)
        await asyncio.sleep(ASKED_SECONDS)
        made = len(service.attempts)
        await until(lambda: len(service.attempts) > made)
        service.is_away = False
        await until(lambda: service.attempts[-1] and len(service.attempts) > made + 1)


async def test_what_nobody_waits_for_is_not_begun(url: str, partitions: Partitions) -> None:
    service = Service()
    await ask(url, partitions)
    await asyncio.sleep(ASKED_SECONDS)
    async with AsyncExitStack() as stack:
        await answering(url, partitions, service, stack)
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()

            async def waiting() -> int:
                queue = await channel.declare_queue(WORK.name, passive=True)
                return queue.declaration_result.message_count or 0

            async with asyncio.timeout(20):
                while await waiting():  # noqa: ASYNC110 - the broker's state
                    await asyncio.sleep(0.05)
    assert service.attempts == []
