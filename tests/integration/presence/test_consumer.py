"""AMQP messages: acknowledged when done, held while a backend is away, and made dead letters when nobody can handle them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping
from functools import partial
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from services.presence.consumer import MESSAGES_PER_CYCLE, BatchConsumer, Lane
from shared import rabbitmq
from shared.lifecycle import Supervisor
from shared.protocol import relay, topology
from shared.protocol.codec import msgpack_encoder
from shared.rabbitmq import Consumer, Publisher

SECONDS = 60
POISON_USER = "11111111-1111-4111-8111-111111111111"


def split(
    personal: Callable[[], str], batch: relay.PresenceBatch, lanes: Container[Lane]
) -> dict[Lane, relay.PresenceBatch]:
    """Users whose names begin with `x` have a server of their own, and those with one of `personal` a lane of their own.

    Those with `w` need both servers.
    """
    shares: dict[Lane, relay.PresenceBatch] = {}
    for command in batch.commands:
        name = command.user_id if isinstance(command, relay.Connected) else ""
        lane = Lane((0, 1) if name.startswith("w") else (int(name.startswith("x")),), name[:1])
        if lane not in lanes and not name.startswith(tuple(personal())):
            lane = lane.shared
        shares.setdefault(lane, relay.PresenceBatch([])).commands.append(command)
    return shares


class Handler:
    """Takes batches; fails as often as it is told, and always on the poisoned user. `away`: nobody can be served in lane 1."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.away = False
        self.slow = asyncio.Event()
        self.slow.set()
        self.busy = asyncio.Event()
        self.busy.set()
        self.personal = "yz"
        self.cycles: list[list[str]] = []
        self.lanes: Mapping[Lane, Any] = {}
        self.drop: Callable[[str], None] = lambda _: None
        self.outages = 0
        self.supervisor = Supervisor()
        self.changed = asyncio.Condition()

    async def __call__(self, batches: list[relay.PresenceBatch]) -> None:
        users = [
            command.user_id for batch in batches for command in batch.commands if isinstance(command, relay.Connected)
        ]
        self.cycles.append(users)
        if users[0].startswith(("y", "z")):
            await self.slow.wait()
        elif not users[0].startswith("x"):
            await self.busy.wait()
        async with self.changed:
            self.changed.notify_all()
            if self.away and users[0].startswith("x"):
                raise RedisConnectionError("away")
            if self.outages:
                self.outages -= 1
                raise RedisConnectionError("away")
            if POISON_USER in users:
                raise KeyError("a bug")
            self.users += users

    async def begins(self, user: str) -> None:
        """Wait until a cycle began with this user."""
        async with asyncio.timeout(SECONDS):
            while user not in [cycle[0] for cycle in self.cycles]:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)

    async def has(self, *users: str) -> None:
        """Wait until these users came, in this order."""
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: self.users == list(users))


@pytest.fixture
async def handler(amqp_url: str, channel: AbstractChannel) -> AsyncIterator[Handler]:
    taking = Handler()
    consumer = Consumer(
        SecretStr(amqp_url), "test", topology.PRESENCE_COMMANDS, prefetch=100, also=(topology.PRESENCE_DEAD,)
    )
    supervisor = taking.supervisor
    supervisor.start("link", consumer.run())
    publisher = Publisher(SecretStr(amqp_url), "test", topology.QUEUES)
    supervisor.start("publisher", publisher.run())
    dead_letter = partial(rabbitmq.dead_letter, publisher, topology.PRESENCE_DEAD)
    divide = partial(split, lambda: taking.personal)
    batches = BatchConsumer("commands", consumer, relay.presence_batch_decoder, divide, taking, dead_letter)
    taking.lanes, taking.drop = batches._lanes, consumer.link.drop
    supervisor.start("intake", batches.run())
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


def connects(*users: str) -> bytes:
    return msgpack_encoder.encode(relay.PresenceBatch([relay.Connected(user, "c", "g", 1) for user in users]))


async def waiting(channel: AbstractChannel) -> int:
    """How many messages nobody has taken."""
    declared = await channel.declare_queue(topology.PRESENCE_COMMANDS.name, passive=True)
    return declared.declaration_result.message_count or 0


async def next_dead_letter(channel: AbstractChannel) -> bytes:
    """The next dead letter, which says why it is one."""
    queue = await channel.get_queue(topology.PRESENCE_DEAD.name)
    async with asyncio.timeout(SECONDS), queue.iterator(no_ack=True) as letters:
        async for letter in letters:
            assert letter.headers[topology.DEAD_REASON_HEADER]
            return letter.body
    raise AssertionError("the queue was cancelled")


async def test_batches_come_in_order(channel: AbstractChannel, handler: Handler) -> None:
    await send(channel, connects("a"), connects("b"), connects("c"))
    await handler.has("a", "b", "c")


async def test_what_cannot_be_read_is_dead_lettered_alone(channel: AbstractChannel, handler: Handler) -> None:
    await send(channel, connects("a"), b"\xc1 no msgpack", connects("b"))
    await handler.has("a", "b")
    assert await next_dead_letter(channel) == b"\xc1 no msgpack"


async def test_what_cannot_be_handled_is_dead_lettered_alone(channel: AbstractChannel, handler: Handler) -> None:
    handler.outages = 1
    await send(channel, connects("a"), connects(POISON_USER), connects("b"))
    await handler.has("a", "b")
    assert await next_dead_letter(channel) == connects(POISON_USER)


async def test_work_is_held_while_a_backend_is_away(channel: AbstractChannel, handler: Handler) -> None:
    handler.outages = 3
    await send(channel, connects("a"))
    await handler.has("a")
    await send(channel, connects("b"))
    await handler.has("a", "b")


async def test_a_server_that_is_away_holds_its_own_users_only(channel: AbstractChannel, handler: Handler) -> None:
    handler.away = True
    await send(channel, connects("x1"), connects("a", "x2"), connects("b"))
    await handler.has("a", "b")
    handler.away = False
    await handler.has("a", "b", "x1", "x2")


async def test_a_message_is_not_acknowledged_before_all_its_lanes_are_done(
    channel: AbstractChannel, handler: Handler
) -> None:
    handler.away = True
    await send(channel, connects("x1"), connects("a", "x2"), connects("b"))
    await handler.has("a", "b")
    # When this one is in hand, those before it are settled; itself it may be or not.
    await send(channel, connects("c"))
    await handler.has("a", "b", "c")
    await handler.supervisor.stop()
    async with asyncio.timeout(SECONDS):
        while await waiting(channel) not in {2, 3}:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0.02)


async def test_a_user_with_a_lane_of_their_own_holds_up_nobody_and_gets_few_cycles(
    channel: AbstractChannel, handler: Handler
) -> None:
    """All that comes during a cycle, or soon after it, is handled in one. Such lanes take turns."""
    later = [f"y{number}" for number in range(2, MESSAGES_PER_CYCLE + 10)]
    handler.slow.clear()
    await send(channel, connects("y1"))
    await handler.begins("y1")
    await send(channel, *map(connects, later), connects("z1"), connects("a"))
    await handler.has("a")
    assert handler.cycles == [["y1"], ["a"]]
    handler.slow.set()
    await handler.has("a", "y1", "z1", *later)
    assert handler.cycles[2:] == [["z1"], later]
    await send(channel, connects("b"), connects("y-last"))
    await handler.has("a", "y1", "z1", *later, "b", "y-last")


async def test_a_lane_of_their_own_begins_when_the_earlier_commands_are_done(
    channel: AbstractChannel, handler: Handler
) -> None:
    """Also when the shared lane is never idle, because it always has another command when it has done one."""
    handler.slow.clear()
    handler.busy.clear()
    await send(channel, connects("a"))
    await handler.begins("a")
    await send(channel, connects("y1"), connects("b"), connects("y2"), connects("x1"))
    await handler.begins("x1")
    assert handler.cycles == [["a"], ["x1"]]
    handler.busy.set()
    await handler.begins("b")
    await handler.begins("y1")
    assert sorted(handler.cycles[2:]) == [["b"], ["y1", "y2"]]
    handler.slow.set()
    await handler.has("x1", "a", "b", "y1", "y2")


async def test_a_lane_that_has_begun_keeps_its_user(channel: AbstractChannel, handler: Handler) -> None:
    """Also when the list of friends is no longer known to be long: later commands must not overtake those in the lane."""
    handler.slow.clear()
    await send(channel, connects("y1"))
    await handler.begins("y1")
    handler.personal = ""
    await send(channel, connects("y2"), connects("a"))
    await handler.has("a")
    handler.slow.set()
    await handler.has("a", "y1", "y2")


async def test_two_servers_have_a_lane_together_only_while_it_is_needed(
    channel: AbstractChannel, handler: Handler
) -> None:
    """There are half a million pairs of a thousand partitions, and each lane is a task."""
    users: list[str] = []
    for user in ("w1", "w2"):
        users.append(user)
        await send(channel, connects(user))
        await handler.has(*users)
        async with asyncio.timeout(SECONDS):
            while Lane((0, 1)) in handler.lanes:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.02)


async def test_what_is_held_is_not_kept_beside_what_is_redelivered(channel: AbstractChannel, handler: Handler) -> None:
    """It piled up while a server of Redis was away and the connections to the broker broke, one after the other."""
    handler.away = True
    await send(channel, connects("x1"))
    await handler.begins("x1")
    handler.drop("a test")
    async with asyncio.timeout(SECONDS):
        while handler.lanes[Lane((1,))]._put < 2:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
    handler.away = False
    await send(channel, connects("x2"))
    await handler.has("x1", "x2")
