"""Presence with real PostgreSQL and Redis, on a clock that stands still unless it is moved."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.presence.leases import Leases
from shared import postgres
from shared.redis import Partitions
from tests.support.presence import TIMING, Device, FakeClock, Gateways, Replica
from tests.support.redis import two_partitions

Befriend = Callable[[str, str], Awaitable[None]]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(
        SecretStr(database_url), size=4, application_name="test", hints=postgres.INDEX_HINTS
    )
    yield opened
    await opened.close()


@pytest.fixture
async def partitions(redis_url: str) -> AsyncIterator[Partitions]:
    """Two partitions: whatever works with two works with one."""
    opened = two_partitions(redis_url)
    for server in range(len(opened)):
        await Leases(opened, TIMING).begin(server)  # as a replica does when it starts
    yield opened
    await opened.aclose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def gateways(partitions: Partitions, redis_url: str) -> AsyncIterator[Gateways]:
    listener = Redis.from_url(redis_url)
    listening = Gateways(partitions, listener)
    await listening.start()
    yield listening
    await listening.stop()
    await listener.aclose()


@pytest.fixture
def replica(pool: postgres.Pool, partitions: Partitions, clock: FakeClock) -> Replica:
    return Replica(pool, partitions, clock)


@pytest.fixture
def other_replica(pool: postgres.Pool, partitions: Partitions, clock: FakeClock) -> Replica:
    return Replica(pool, partitions, clock)


@pytest.fixture
def alice() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def bob() -> str:
    return str(uuid.uuid4())


@pytest.fixture
async def friends(replica: Replica, alice: str, bob: str) -> tuple[str, str]:
    """Alice and Bob, who follow each other."""
    await replica.follow(alice, bob)
    await replica.follow(bob, alice)
    return alice, bob


@pytest.fixture
async def watching(replica: Replica, gateways: Gateways, clock: FakeClock, friends: tuple[str, str]) -> Device:
    """A device of Bob that has had its request."""
    device = await gateways.plug(Device(friends[1], "gateway-2"))
    await replica.handle(device.connected(clock.now))
    await gateways.sync()
    device.take()
    return device
