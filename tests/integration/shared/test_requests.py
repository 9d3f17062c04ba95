"""Requests between services: one that was begun is finished, although nobody waits for its reply any more."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from typing import cast

import aio_pika
import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import rabbitmq
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import Done, Reply, Request, TakeDown, messaging_request_decoder, reply_decoder
from shared.redis import Partitions
from shared.requests import Requester, Responder
from shared.store_clock import StoreClock
from tests.support.broker import DEAD, SECONDS, WORK, consumer_of, publisher_of, running, until

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


async def test_a_reply_that_redis_refuses_comes_when_it_no_longer_does(
    url: str, partitions: Partitions, redis_url: str
) -> None:
    """Such a request ended the replica, and then the next one that got it."""
    service, name, publisher = Service(), str(uuid.uuid4()), publisher_of(url, DEAD, WORK)
    service.is_away = False
    expires_at_ms = StoreClock(partitions).now_ms() + 60_000
    request = msgpack_encoder.encode(Request(name, expires_at_ms, msgpack_encoder.encode(REQUEST)))
    async with Redis.from_url(redis_url) as client, AsyncExitStack() as stack:
        await answering(url, partitions, service, stack)
        await client.config_set("min-replicas-to-write", "1")
        try:
            async with running(publisher):
                await publisher.publish(WORK, request)
            await until(lambda: len(service.attempts) > 1)
        finally:
            await client.config_set("min-replicas-to-write", "0")
        partition = partitions.of(name)
        found = await partition.client.blpop([partition.key(keys.REPLY, name)], timeout=SECONDS)
    assert found is not None
    assert reply_decoder.decode(cast("bytes", found[1])) == Reply(body=msgpack_encoder.encode(Done()))


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
