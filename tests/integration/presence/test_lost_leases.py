"""Redis has lost its data: until gateways have renewed the leases, nobody is shown offline."""

import pytest

from shared.protocol import keys, server
from shared.redis import Partitions
from tests.support.presence import Device, FakeClock, Gateways, Replica
from tests.support.redis import clients


async def lose_everything(partitions: Partitions, gateways: Gateways) -> None:
    """What FLUSHALL does; gateways register their routes again."""
    for client in clients(partitions):
        await client.flushdb()
    for device in list(gateways.devices.values()):
        await gateways.plug(device)


async def let_time_pass(partitions: Partitions) -> None:
    """Gateways have had their time."""
    for client in clients(partitions):
        assert 0 < await client.pttl(keys.LEASES_RESTORING) <= keys.LEASES_RESTORING_MS
        await client.delete(keys.LEASES_RESTORING)


def bulks(device: Device) -> list[server.StatusBulk]:
    return [event for event in device.heard if isinstance(event, server.StatusBulk)]


async def test_a_snapshot_waits_until_it_is_true(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    partitions: Partitions,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    alice = await gateways.plug(Device(friends[0], "gateway-1"))
    await replica.handle(alice.connected(clock.now))
    await lose_everything(partitions, gateways)
    second = await gateways.plug(Device(friends[1], "gateway-2"))
    await replica.handle(second.connected(clock.now))
    await gateways.sync()
    assert bulks(second) == []
    await replica.sweep.once()  # notices the loss
    await replica.resend()
    await gateways.sync()
    assert bulks(second) == []
    await replica.handle(alice.connected(clock.now))  # as her gateway's renewal does
    await replica.resend()
    await gateways.sync()
    (bulk,) = bulks(second)
    assert [status.is_online for status in bulk.payload.users] == [True]
    assert not [event for event in second.heard if isinstance(event, server.UserOffline)]


async def test_who_is_really_offline_is_shown_so_later(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    partitions: Partitions,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    await lose_everything(partitions, gateways)
    await replica.handle(watching.connected(clock.now))
    await replica.sweep.once()
    await replica.resend()
    await gateways.sync()
    assert bulks(watching) == []
    await let_time_pass(partitions)
    await replica.resend()
    await gateways.sync()
    (bulk,) = bulks(watching)
    assert [status.is_online for status in bulk.payload.users] == [False]


@pytest.mark.parametrize("noticed", [False, True], ids=["not noticed yet", "noticed"])
async def test_statuses_leave_out_whom_they_do_not_know(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    partitions: Partitions,
    friends: tuple[str, str],
    noticed: bool,
) -> None:
    alice = await gateways.plug(Device(friends[0], "gateway-1"))
    await replica.handle(alice.connected(clock.now))
    await lose_everything(partitions, gateways)
    if noticed:
        await replica.sweep.once()
    assert await replica.statuses.of(friends) == {}
    await replica.handle(alice.connected(clock.now))
    assert [status.is_online for status in (await replica.statuses.of(friends)).values()] == [True]
    if noticed:
        await let_time_pass(partitions)
        assert (await replica.statuses.of(friends))[friends[1]].is_online is False
