"""AMQP messages: acknowledged when done, held while a backend is away, buried when nobody can handle them."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from services.presence.consumer import Intake
from shared.lifecycle import Supervisor
from shared.protocol import relay, topology
from shared.protocol.codec import msgpack_encoder
from shared.rabbitmq import Consumer

SECONDS = 10
POISON_USER = "11111111-1111-4111-8111-111111111111"


class Handler:
    """Takes batches; fails as often as it is told, and always on the poisoned user."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.outages = 0
        self.changed = asyncio.Condition()

    async def __call__(self, batches: list[relay.PresenceBatch]) -> None:
        users = [
            command.user_id for batch in batches for command in batch.commands if isinstance(command, relay.Connected)
        ]
        async with self.changed:
            self.changed.notify_all()
            if self.outages:
                self.outages -= 1
                raise RedisConnectionError("away")
            if POISON_USER in users:
                raise KeyError("a bug")
            self.users += users

    async def has(self, *users: str) -> None:
        """Wait until these users came, in this order."""
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: self.users == list(users))


@pytest.fixture
async def handler(amqp_url: str, channel: AbstractChannel) -> AsyncIterator[Handler]:
    taking = Handler()
    consumer = Consumer(
        SecretStr(amqp_url), "test", topology.PRESENCE_COMMANDS, prefetch=10, also=(topology.PRESENCE_DEAD,)
    )
    supervisor = Supervisor()
    supervisor.start("link", consumer.run())
    supervisor.start("intake", Intake("commands", consumer, relay.presence_batch_decoder, taking).run())
    yield taking
    await supervisor.stop()
    assert not supervisor.failed.is_set()


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        opened = await connection.channel()
        for queue in (topology.PRESENCE_DEAD, topology.PRESENCE_COMMANDS):
            declared = await opened.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            await declared.purge()
        yield opened


async def send(channel: AbstractChannel, *bodies: bytes) -> None:
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=topology.PRESENCE_COMMANDS.name)


def connects(user: str) -> bytes:
    return msgpack_encoder.encode(relay.PresenceBatch([relay.Connected(user, "c", "g", 1)]))


async def buried(channel: AbstractChannel) -> bytes:
    """The next dead letter."""
    queue = await channel.get_queue(topology.PRESENCE_DEAD.name)
    async with asyncio.timeout(SECONDS), queue.iterator(no_ack=True) as letters:
        async for letter in letters:
            return letter.body
    raise AssertionError("the queue was cancelled")


async def test_batches_come_in_order(channel: AbstractChannel, handler: Handler) -> None:
    await send(channel, connects("a"), connects("b"), connects("c"))
    await handler.has("a", "b", "c")


async def test_what_cannot_be_read_is_buried_alone(channel: AbstractChannel, handler: Handler) -> None:
    await send(channel, connects("a"), b"\xc1 no msgpack", connects("b"))
    await handler.has("a", "b")
    assert await buried(channel) == b"\xc1 no msgpack"


async def test_what_cannot_be_handled_is_buried_alone(channel: AbstractChannel, handler: Handler) -> None:
    handler.outages = 1
    await send(channel, connects("a"), connects(POISON_USER), connects("b"))
    await handler.has("a", "b")
    assert await buried(channel) == connects(POISON_USER)


async def test_work_is_held_while_a_backend_is_away(channel: AbstractChannel, handler: Handler) -> None:
    handler.outages = 3
    await send(channel, connects("a"))
    await handler.has("a")
    await send(channel, connects("b"))
    await handler.has("a", "b")
