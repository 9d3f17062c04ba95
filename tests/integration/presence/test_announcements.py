"""Which presence events friends get when connections begin and end."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from services.presence.announcer import Announcer
from services.presence.bulks import CONNECTIONS_PER_BULK, Bulk
from services.presence.rules import Choose, Hold, kinds_of
from shared.protocol import keys, limits, relay, server
from shared.protocol.payloads import StatusBulkPayload, UserStatus
from shared.redis import Partitions
from tests.support.presence import TIMING, Device, Event, FakeClock, Gateways, Replica, listen
from tests.support.redis import clients


async def connect(
    replica: Replica, gateways: Gateways, clock: FakeClock, user: str, gateway: str = "gateway-1"
) -> Device:
    device = await gateways.plug(Device(user, gateway))
    await replica.handle(device.connected(clock.now))
    await gateways.sync()
    return device


def told(*events: Event) -> list[tuple[type[Any], str, str]]:
    """(event, user, status) of each."""
    return [(type(event), each.user_id, each.status) for event in events for each in statuses(event)]


def statuses(event: Event) -> list[UserStatus]:
    assert not isinstance(event, server.UserUpdated)
    return event.payload.users if isinstance(event, server.StatusBulk) else [event.payload]


async def test_coming_and_going(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]
    assert told(*device.take()) == [(server.StatusBulk, watching.user_id, "online")]
    second = await connect(replica, gateways, clock, alice, "gateway-2")
    await replica.handle(device.disconnected(clock.now, clean=True))
    await gateways.sync()
    assert not watching.take()
    clock.now += 2_500
    await replica.handle(second.disconnected(clock.now, clean=True))
    await gateways.sync()
    [event] = watching.take()
    assert event == server.UserOffline(UserStatus(alice, False, "offline", "2023-11-14T22:13:22.000Z"))


async def test_only_a_connection_lost_beyond_the_grace_is_seen(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    await replica.handle(device.disconnected(clock.now, clean=False))
    clock.now += TIMING.grace_ms - 1
    device = await connect(other_replica, gateways, clock, alice)
    await replica.sweep.once()
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]
    await replica.handle(device.disconnected(clock.now, clean=False))
    clock.now += TIMING.grace_ms
    await other_replica.sweep.once()
    await replica.sweep.once()
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOffline, alice, "offline")]


async def test_the_grace_after_a_drain_includes_the_reconnect_spread(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    await replica.handle(msgspec.structs.replace(device.disconnected(clock.now, clean=False), reconnect_ms=10_000))
    clock.now += TIMING.grace_ms + 10_000 - 1
    await replica.sweep.once()
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]
    clock.now += 1
    await replica.sweep.once()
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOffline, alice, "offline")]


async def test_a_dead_gateway_is_seen_when_its_leases_end(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    await listen(replica.leases, clock, 20_000)
    await replica.handlers.renew([relay.LeaseRenewal("gateway-1", clock.now, [(alice, device.connection_id)])])
    watching.take()
    await gateways.unplug(device, forgotten=False)
    await listen(replica.leases, clock, TIMING.lease_ms)
    await replica.handlers.renew(
        [relay.LeaseRenewal("gateway-2", clock.now, [(watching.user_id, watching.connection_id)])]
    )
    await replica.sweep.once()
    await gateways.sync()
    [event] = watching.take()
    assert event == server.UserOffline(UserStatus(alice, False, "offline", "2023-11-14T22:13:40.000Z"))


async def test_the_snapshot_comes_in_chunks_even_without_friends(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STATUS_BULK_CHUNK", 2)
    lonely = await connect(replica, gateways, clock, alice)
    assert lonely.take() == [server.StatusBulk(StatusBulkPayload([]))]
    assert lonely.parts == [1]
    friends = [f"00000000-0000-4000-8000-{number:012}" for number in range(7)]
    for friend in friends:
        await replica.follow(alice, friend)
        await replica.follow(friend, alice)
    await gateways.sync()
    lonely.take()
    await replica.handle(lonely.connected(clock.now))
    await gateways.sync()
    bulks = lonely.take()
    assert all(0 < len(statuses(bulk)) <= 2 for bulk in bulks)
    assert lonely.parts[1:] == [len(bulks)] * len(bulks)
    assert sorted(each.user_id for bulk in bulks for each in statuses(bulk)) == friends
    assert all(each.last_seen is None for bulk in bulks for each in statuses(bulk))


async def test_the_statuses_for_connections_that_come_together_are_read_once(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    alice: str,
    watching: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user with thousands of friends who opens ten connections keeps Redis busy for one of them."""
    devices = [
        await gateways.plug(Device(alice, f"gateway-{number % 2}")) for number in range(CONNECTIONS_PER_BULK + 1)
    ]
    bulks: list[Bulk] = []
    send = Announcer.send_bulks

    async def noted(announcer: Announcer, by_partition: Mapping[int, Sequence[Bulk]]) -> set[str]:
        bulks.extend(bulk for part in by_partition.values() for bulk in part)
        return await send(announcer, by_partition)

    monkeypatch.setattr(Announcer, "send_bulks", noted)
    await replica.handle(*(device.connected(clock.now) for device in devices))
    await gateways.sync()
    assert [len(bulk.connections) for bulk in bulks] == [CONNECTIONS_PER_BULK, 1]
    for device in devices:
        assert told(*device.take()) == [(server.StatusBulk, watching.user_id, "online")]
        assert device.parts == [1]


async def test_statuses_of_several_devices(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    phone = await connect(replica, gateways, clock, alice)
    laptop = await connect(replica, gateways, clock, alice)
    for each in (phone, laptop, watching):
        each.take()
    for device, status, friends_hear, own_hear in [
        (phone, "away", [], "online"),
        (laptop, "busy", ["busy"], "busy"),
        (laptop, "busy", [], "busy"),
        (laptop, "away", ["away"], "away"),
        (phone, "busy", ["busy"], "busy"),
    ]:
        clock.now += 1
        await replica.handle(device.chose(status, clock.now))
        await gateways.sync()
        assert told(*watching.take()) == [(server.UserStatusChanged, alice, heard) for heard in friends_hear]
        for own in (phone, laptop):
            assert told(*own.take()) == [(server.UserStatusChanged, alice, own_hear)]
    await gateways.unplug(phone)
    await replica.handle(phone.disconnected(clock.now, clean=True))
    await gateways.sync()
    for each in (laptop, watching):
        assert told(*each.take()) == [(server.UserStatusChanged, alice, "away")]


async def test_a_status_set_at_once_is_told_as_if_it_came_later(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(device.connected(clock.now), device.chose("busy", clock.now))
    await gateways.sync()
    kinds = [
        {"online": server.UserOnline, "status": server.UserStatusChanged}[kind] for kind in kinds_of("offline", "busy")
    ]
    assert told(*watching.take()) == [(kind, alice, "busy") for kind in kinds]
    assert told(*device.take()) == [
        (server.UserStatusChanged, alice, "busy"),
        (server.StatusBulk, watching.user_id, "online"),
    ]


async def test_another_replica_announces_for_one_that_died(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.leases.advance({alice: [Hold(device.connection_id, clock.now)]}, set())
    await other_replica.sweep.once()
    await gateways.sync()
    assert not watching.take()
    clock.now += TIMING.retry_ms
    await other_replica.sweep.once()
    await other_replica.sweep.once()
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]


async def test_an_overtaken_status_is_not_published(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    """One replica is slow to tell that Alice came; meanwhile she went, and another has told that."""
    device = await gateways.plug(Device(alice, "gateway-1"))
    outcomes = await replica.leases.advance({alice: [Hold(device.connection_id, clock.now)]}, set())
    friend_lists = await replica.announcer.friends_of(outcomes)
    clock.now += 1
    await other_replica.handle(device.disconnected(clock.now, clean=True))
    await replica.announcer.announce(outcomes, friend_lists)
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOffline, alice, "offline")]


async def test_an_overtaken_status_is_not_told_twice(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    watching.take()
    outcomes = await replica.leases.advance({alice: [Choose(device.connection_id, clock.now, "busy")]}, set())
    friend_lists = await replica.announcer.friends_of(outcomes)
    clock.now += 1
    await other_replica.handle(device.chose("away", clock.now))
    await replica.announcer.announce(outcomes, friend_lists)
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserStatusChanged, alice, "away")]


async def test_swapped_events_leave_nobody_online(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = Device(alice, "gateway-1")
    await other_replica.handle(device.disconnected(clock.now, clean=True))
    await replica.handle(device.connected(clock.now - 5))
    await replica.handlers.renew([relay.LeaseRenewal("gateway-1", clock.now - 5, [(alice, device.connection_id)])])
    assert (await replica.statuses.of([alice]))[alice].status == "offline"


async def test_leases_that_redis_lost_are_restored(
    replica: Replica, gateways: Gateways, clock: FakeClock, partitions: Partitions, alice: str, watching: Device
) -> None:
    staying = await connect(replica, gateways, clock, alice)
    leaving = await connect(replica, gateways, clock, watching.user_id)
    for client in clients(partitions):
        await client.flushdb()
    for device in (staying, leaving, watching):
        await gateways.plug(device)
    clock.now += 20_000
    await replica.handlers.renew([relay.LeaseRenewal("gateway-1", clock.now, [(alice, staying.connection_id)])])
    staying.take()
    watching.take()
    # Bob's devices aren't renewed in time: they leave before, and Alice still sees him online.
    for device in (leaving, watching):
        await gateways.unplug(device)
        await replica.handle(device.disconnected(clock.now, clean=True))
    await gateways.sync()
    assert staying.view[watching.user_id].status == "offline"


async def test_a_quick_reconnect_after_a_loss_of_redis_data_is_not_seen(
    replica: Replica, gateways: Gateways, clock: FakeClock, partitions: Partitions, alice: str, watching: Device
) -> None:
    device = await connect(replica, gateways, clock, alice)
    watching.take()
    for client in clients(partitions):
        await client.flushdb()
    await gateways.plug(watching)
    await replica.handle(device.disconnected(clock.now, clean=False))
    clock.now += TIMING.grace_ms - 1
    assert await partitions.of(alice).client.pttl(keys.key(keys.ONLINE, alice)) > 0
    await replica.sweep.once()
    await connect(replica, gateways, clock, alice)
    clock.now += 1
    await replica.sweep.once()
    await gateways.sync()
    assert {status for _, _, status in told(*watching.take())} == {"online"}


async def test_bad_commands_are_left_out(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, watching: Device
) -> None:
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(
        relay.Connected("nobody", "x", "gateway-1", clock.now),
        relay.SetStatus(alice, device.connection_id, "asleep", clock.now),
        relay.BlockChanged(alice, "nobody", True, 1),
        device.connected(clock.now),
    )
    await gateways.sync()
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]


async def test_a_route_to_a_dead_gateway_does_no_harm(
    replica: Replica, gateways: Gateways, clock: FakeClock, partitions: Partitions, alice: str, watching: Device
) -> None:
    routes = keys.key(keys.ROUTES, watching.user_id)
    await partitions.of(watching.user_id).client.hset(routes, "dead", "gateway-dead")
    await connect(replica, gateways, clock, alice)
    assert told(*watching.take()) == [(server.UserOnline, alice, "online")]
