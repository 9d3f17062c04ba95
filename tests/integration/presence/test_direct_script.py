"""Gateways that carry presence commands out with the script that presence lends them."""

import uuid
from collections.abc import AsyncIterator

import pytest

from services.gateway.uplink import direct_presence
from services.gateway.uplink.direct_presence import DirectPresence, Report
from services.presence import direct_script
from services.presence.direct_script import DirectScript
from services.presence.leases import Leases
from shared.protocol import keys, relay, server
from shared.redis import Partitions, open_partitions
from tests.support.presence import TIMING, Device, FakeClock, Gateways, Replica
from tests.support.redis import two_partitions


@pytest.fixture
async def partitions(redis_url: str) -> AsyncIterator[Partitions]:
    """One partition: with more, a script doesn't reach everything."""
    opened = open_partitions(redis_url)
    await Leases(opened, TIMING).begin(0)
    yield opened
    await opened.aclose()


@pytest.fixture
def direct(partitions: Partitions, clock: FakeClock) -> DirectPresence:
    return DirectPresence(partitions, clock)


async def lend(partitions: Partitions, replica: Replica, clock: FakeClock) -> None:
    await DirectScript(partitions, replica.leases, clock, tells_webhooks=False).lend()


async def carry_out(direct: DirectPresence, *commands: Report) -> list[Report]:
    return await direct.carry_out(commands)


async def plugged(gateways: Gateways, replica: Replica, clock: FakeClock, user: str, gateway: str) -> Device:
    """A device that presence itself has connected: the user's friends are cached since."""
    device = await gateways.plug(Device(user, gateway))
    await replica.handle(device.connected(clock.now))
    await gateways.sync()
    device.take()
    return device


async def test_a_status_reaches_friends_and_own_connections_at_once(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    direct: DirectPresence,
    watching: Device,
    friends: tuple[str, str],
) -> None:
    device = await plugged(gateways, replica, clock, friends[0], "gateway-1")
    await lend(partitions, replica, clock)
    watching.take()
    assert await carry_out(direct, device.chose("busy", clock.now)) == []
    await gateways.sync()
    (told,) = watching.take()
    assert isinstance(told, server.UserStatusChanged)
    assert (told.payload.user_id, told.payload.status) == (device.user_id, "busy")
    (own,) = device.take()
    assert own == told
    # Nothing is left for the sweep to announce again.
    assert await partitions.at(0).client.zcard(keys.ANNOUNCEMENTS) == 0


async def test_the_same_status_again_is_answered_to_its_sender_alone(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    direct: DirectPresence,
    watching: Device,
    friends: tuple[str, str],
) -> None:
    device = await plugged(gateways, replica, clock, friends[0], "gateway-1")
    await lend(partitions, replica, clock)
    watching.take()
    assert await carry_out(direct, device.chose("online", clock.now)) == []
    await gateways.sync()
    assert [type(event) for event in device.take()] == [server.UserStatusChanged]
    assert watching.take() == []


async def test_a_device_comes_and_goes(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    direct: DirectPresence,
    watching: Device,
    friends: tuple[str, str],
) -> None:
    """It gets its friends' statuses, and they hear of it, as by presence itself."""
    first = await plugged(gateways, replica, clock, friends[0], "gateway-1")
    await replica.handle(first.disconnected(clock.now, clean=True))
    await gateways.unplug(first)
    await lend(partitions, replica, clock)
    await gateways.sync()
    watching.take()
    again = await gateways.plug(Device(friends[0], "gateway-1"))
    busy = relay.Connected(again.user_id, again.connection_id, again.gateway_id, clock.now, "busy")
    assert await carry_out(direct, busy) == []
    await gateways.sync()
    (bulk,) = again.take()
    assert isinstance(bulk, server.StatusBulk)
    assert [(user.user_id, user.status) for user in bulk.payload.users] == [(watching.user_id, "online")]
    assert again.parts == [1]
    online, status = watching.take()
    assert isinstance(online, server.UserOnline)
    assert isinstance(status, server.UserStatusChanged)
    assert online.payload == status.payload
    assert status.payload.status == "busy"
    assert await carry_out(direct, again.disconnected(clock.now, clean=True)) == []
    await gateways.sync()
    assert [type(event) for event in watching.take()] == [server.UserOffline]


async def test_a_snapshot_shows_what_changed_with_the_same_call(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    direct: DirectPresence,
    watching: Device,
    friends: tuple[str, str],
) -> None:
    first = await plugged(gateways, replica, clock, friends[0], "gateway-2")
    await lend(partitions, replica, clock)
    second = await gateways.plug(Device(first.user_id, "gateway-2"))
    assert await carry_out(direct, second.connected(clock.now), watching.chose("away", clock.now)) == []
    await gateways.sync()
    assert second.view[watching.user_id].status == "away"


async def test_who_is_not_cached_is_left_to_presence(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    direct: DirectPresence,
    watching: Device,
    friends: tuple[str, str],
) -> None:
    """In the order of the commands, with those of others carried out."""
    await lend(partitions, replica, clock)
    stranger = await gateways.plug(Device(str(uuid.uuid4()), "gateway-1"))
    left: list[Report] = [stranger.connected(clock.now), stranger.chose("busy", clock.now)]
    assert await carry_out(direct, left[0], watching.chose("away", clock.now), left[1]) == left


async def test_commands_with_too_many_friends_are_left_to_presence(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    watching: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that looked at all of them would hold Redis up."""
    monkeypatch.setattr(direct_script, "RECEIVERS_PER_CALL", 1)
    await lend(partitions, replica, clock)
    commands = [watching.chose(status, clock.now) for status in ("busy", "away")]
    assert await DirectPresence(partitions, clock).carry_out(commands) == commands[1:]


async def test_nothing_is_carried_out_without_the_script(
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    watching: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Presence does not lend it, or Redis has forgotten it."""
    command = watching.chose("busy", clock.now)
    assert await DirectPresence(partitions, clock).carry_out([command]) == [command]
    await lend(partitions, replica, clock)
    await partitions.at(0).client.script_flush()
    direct = DirectPresence(partitions, clock)
    assert await direct.carry_out([command]) == [command]
    monkeypatch.setattr(direct_presence, "LOOK_SECONDS", 0)
    await lend(partitions, replica, clock)
    assert await DirectPresence(partitions, clock).carry_out([command]) == []


async def test_it_is_withdrawn_while_webhooks_are_told(
    partitions: Partitions, replica: Replica, clock: FakeClock, direct: DirectPresence, watching: Device
) -> None:
    """At once, though gateways have it still."""
    await lend(partitions, replica, clock)
    assert await direct.carry_out([watching.chose("away", clock.now)]) == []
    await DirectScript(partitions, replica.leases, clock, tells_webhooks=True).renew()
    command = watching.chose("busy", clock.now)
    assert await direct.carry_out([command]) == [command]


async def test_it_is_not_lent_where_friends_may_lie_elsewhere(redis_url: str, clock: FakeClock) -> None:
    two = two_partitions(redis_url)
    await DirectScript(two, Leases(two, TIMING, clock), clock, tells_webhooks=False).renew()
    assert not await two.at(0).client.exists(two.at(0).key(keys.DIRECT_PRESENCE))
    await two.aclose()
