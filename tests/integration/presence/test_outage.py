"""One Redis server of two is away: only what needs it waits."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from services.presence import announcer, partition_health
from shared.protocol import server
from shared.redis import Partitions
from tests.support.presence import TIMING, Device, FakeClock, Gateways, Replica

SECONDS = 60
Outage = Callable[[bool], None]


@pytest.fixture
def people(partitions: Partitions) -> list[str]:
    """The first two on server 0, the third on server 1."""
    ids = [str(uuid.uuid4()) for _ in range(100)]
    first, second = [each for each in ids if partitions.index_of(each) == 0][:2]
    return [first, second, next(each for each in ids if partitions.index_of(each) == 1)]


@pytest.fixture
async def devices(replica: Replica, gateways: Gateways, clock: FakeClock, people: list[str]) -> list[Device]:
    """Everybody is everybody's friend and has a device; the first one's isn't announced yet."""
    for one in people:
        for other in people:
            if one != other:
                await replica.follow(one, other)
    devices = [await gateways.plug(Device(user, "gateway-1")) for user in people]
    await replica.handle(*(device.connected(clock.now) for device in devices[1:]))
    await gateways.sync()
    for device in devices:
        device.take()
    devices[0].view.clear()
    return devices


@pytest.fixture
def outage(partitions: Partitions, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """`outage(True)`: server 1 refuses connections; `outage(False)`: no longer."""
    pool, scripts = partitions.at(1).client.connection_pool, partitions.at(1).scripts
    get, run = pool.get_connection, scripts.run

    async def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError("refused")

    def change(away: bool) -> None:
        monkeypatch.setattr(pool, "get_connection", refuse if away else get)
        monkeypatch.setattr(scripts, "run", refuse if away else run)

    return change


@pytest.fixture
async def watch(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
    """`watch()`: the replica looks for servers that are back, as its process does."""
    monkeypatch.setattr(partition_health, "PROBE_SECONDS", 0.01)
    tasks: list[asyncio.Task[None]] = []
    yield lambda: tasks.append(asyncio.create_task(replica.health.watch(replica.resend)))
    for task in tasks:
        task.cancel()


def delayed(run: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    """A server that is busy."""

    async def later(*args: Any) -> Any:
        await asyncio.sleep(seconds)
        return await run(*args)

    return later


async def until(gateways: Gateways, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await gateways.sync()
            await asyncio.sleep(0.01)


async def test_friends_on_that_server_get_it_later_and_the_others_at_once(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    outage: Outage,
    devices: list[Device],
    watch: Callable[[], None],
) -> None:
    new, friend, unreachable = devices
    outage(True)
    await replica.handle(new.connected(clock.now), new.chose("busy", clock.now))
    await gateways.sync()
    assert friend.view[new.user_id].status == "busy"
    assert [type(event) for event in new.take()] == [server.UserStatusChanged, server.StatusBulk]
    assert unreachable.take() == []
    outage(False)
    watch()
    await until(gateways, lambda: unreachable.view[new.user_id].status == "busy" and unreachable.user_id in new.view)
    assert new.view[unreachable.user_id].status == "online"


async def test_an_unsent_status_is_not_sent_to_a_former_friend(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    outage: Outage,
    devices: list[Device],
    watch: Callable[[], None],
) -> None:
    new, friend, unreachable = devices
    outage(True)
    await replica.handle(new.connected(clock.now))
    outage(False)
    await replica.unfollow(new.user_id, unreachable.user_id)
    watch()
    await until(gateways, lambda: len([each for each in new.heard if isinstance(each, server.StatusBulk)]) == 2)
    complete = [each for each in new.heard if isinstance(each, server.StatusBulk)][-1]
    assert [user.user_id for user in complete.payload.users] == [friend.user_id]
    assert new.view[unreachable.user_id].status == unreachable.view[new.user_id].status == "offline"


async def test_other_servers_are_swept(
    replica: Replica, gateways: Gateways, clock: FakeClock, outage: Outage, devices: list[Device]
) -> None:
    new, friend, _ = devices
    await replica.handle(new.connected(clock.now))
    await replica.handle(new.disconnected(clock.now, clean=False))
    outage(True)
    clock.now += TIMING.grace_ms
    await replica.sweep.once()
    await gateways.sync()
    assert friend.view[new.user_id].status == "offline"


async def test_many_snapshots_at_once_are_no_outage(
    replica: Replica, gateways: Gateways, clock: FakeClock, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a gateway's end thousands connect: each script answers soon, and all together take longer than one may."""
    monkeypatch.setattr(partition_health, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(announcer, "READ_PER_CALL", 1)
    for index in range(len(partitions)):
        monkeypatch.setattr(partitions.at(index).scripts, "run", delayed(partitions.at(index).scripts.run, 0.04))
    devices = [await gateways.plug(Device(str(uuid.uuid4()), "gateway-1")) for _ in range(100)]
    await replica.handle(*(device.connected(clock.now) for device in devices))
    await gateways.sync()
    assert [len(device.take()) for device in devices] == [1] * len(devices)
