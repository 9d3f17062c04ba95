"""Gateways carry out presence commands with the script that presence provides."""

import uuid
from dataclasses import dataclass
from functools import cached_property

import msgspec
import pytest

from services.gateway.uplink import provided_script
from services.gateway.uplink.direct_presence import DirectPresence, Report
from services.gateway.uplink.friend_reader import FriendReader
from services.presence.direct_script import direct_script
from services.presence.follow_store import FollowStore
from services.presence.friend_cache import FriendCache
from services.presence.leases import Leases
from shared.postgres import Pool
from shared.protocol import keys, relay, server
from shared.redis import Partitions
from shared.redis.script_provider import ScriptProvider
from tests.support.presence import TIMING, Device, FakeClock, Gateways, Replica
from tests.support.redis import two_partitions


@pytest.fixture
async def partitions(one_partition: Partitions) -> Partitions:
    """One partition: with more, a script doesn't reach everything."""
    await Leases(one_partition, TIMING).begin(0)
    return one_partition


@dataclass
class Scene:
    """A replica of presence and the gateways; `watching` is a connected friend of `user`."""

    pool: Pool
    partitions: Partitions
    replica: Replica
    gateways: Gateways
    clock: FakeClock
    watching: Device
    user: str

    @cached_property
    def direct(self) -> DirectPresence:
        """The commands' way in one gateway."""
        return self.another_gateway()

    def another_gateway(self) -> DirectPresence:
        """The way in a gateway that knows of no script yet."""
        return DirectPresence(self.partitions, FriendReader(self.pool), self.clock)

    def script(self, *, tells_webhooks: bool = False) -> ScriptProvider:
        """Of the replica."""
        return direct_script(self.partitions, self.replica.leases, self.replica.friends, tells_webhooks=tells_webhooks)

    async def carry_out(self, *commands: Report) -> list[Report]:
        """In the gateway. Returns those that are left to presence."""
        return await self.direct.carry_out(commands)

    async def read_friends(self) -> dict[str, relay.FriendList]:
        """Those of `user`, as a gateway reads them when Redis doesn't have them."""
        return await self.direct.read_friends(await self.replica.friends.versions([self.user]))

    async def plugged(self, gateway: str) -> Device:
        """A device of `user` that presence itself has connected: the user's friends are cached since."""
        device = await self.gateways.plug(Device(self.user, gateway))
        await self.replica.handle(device.connected(self.clock.now))
        await self.gateways.sync()
        device.take()
        return device


@pytest.fixture
def scene(
    pool: Pool,
    partitions: Partitions,
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    watching: Device,
    friends: tuple[str, str],
) -> Scene:
    return Scene(pool, partitions, replica, gateways, clock, watching, friends[0])


async def test_a_status_reaches_friends_and_own_connections_at_once(scene: Scene) -> None:
    device = await scene.plugged("gateway-1")
    await scene.script().provide()
    scene.watching.take()
    assert await scene.carry_out(device.chose("busy", scene.clock.now)) == []
    await scene.gateways.sync()
    (told,) = scene.watching.take()
    assert isinstance(told, server.UserStatusChanged)
    assert (told.payload.user_id, told.payload.status) == (device.user_id, "busy")
    (own,) = device.take()
    assert own == told
    # Nothing is left for the sweep to announce again.
    assert await scene.partitions.at(0).client.zcard(keys.ANNOUNCEMENTS) == 0


async def test_the_same_status_again_is_answered_to_its_sender_alone(scene: Scene) -> None:
    device = await scene.plugged("gateway-1")
    await scene.script().provide()
    scene.watching.take()
    assert await scene.carry_out(device.chose("online", scene.clock.now)) == []
    await scene.gateways.sync()
    assert [type(event) for event in device.take()] == [server.UserStatusChanged]
    assert scene.watching.take() == []


async def test_a_device_comes_and_goes(scene: Scene) -> None:
    """It gets its friends' statuses, and they get its status, as from presence itself."""
    first = await scene.plugged("gateway-1")
    await scene.replica.handle(first.disconnected(scene.clock.now, clean=True))
    await scene.gateways.unplug(first)
    await scene.script().provide()
    await scene.gateways.sync()
    scene.watching.take()
    again = await scene.gateways.plug(Device(scene.user, "gateway-1"))
    busy = relay.Connected(again.user_id, again.connection_id, again.gateway_id, scene.clock.now, "busy")
    assert await scene.carry_out(busy) == []
    await scene.gateways.sync()
    (bulk,) = again.take()
    assert isinstance(bulk, server.StatusBulk)
    assert [(user.user_id, user.status) for user in bulk.payload.users] == [(scene.watching.user_id, "online")]
    assert again.parts == [1]
    online, status = scene.watching.take()
    assert isinstance(online, server.UserOnline)
    assert isinstance(status, server.UserStatusChanged)
    assert online.payload == status.payload
    assert status.payload.status == "busy"
    assert await scene.carry_out(again.disconnected(scene.clock.now, clean=True)) == []
    await scene.gateways.sync()
    assert [type(event) for event in scene.watching.take()] == [server.UserOffline]


@pytest.mark.parametrize("reconnect_ms", [0, 10_000])
async def test_a_device_that_is_lost_has_the_grace_and_the_time_to_reconnect(scene: Scene, reconnect_ms: int) -> None:
    device = await scene.plugged("gateway-1")
    await scene.script().provide()
    lost = msgspec.structs.replace(device.disconnected(scene.clock.now, clean=False), reconnect_ms=reconnect_ms)
    assert await scene.carry_out(lost) == []
    scene.clock.now += TIMING.grace_ms + reconnect_ms - 1
    await scene.replica.sweep.once()
    await scene.gateways.sync()
    assert scene.watching.view[device.user_id].is_online
    scene.clock.now += 1
    await scene.replica.sweep.once()
    await scene.gateways.sync()
    assert not scene.watching.view[device.user_id].is_online


async def test_a_snapshot_shows_what_changed_with_the_same_call(scene: Scene) -> None:
    first = await scene.plugged("gateway-2")
    await scene.script().provide()
    second = await scene.gateways.plug(Device(first.user_id, "gateway-2"))
    assert await scene.carry_out(second.connected(scene.clock.now), scene.watching.chose("away", scene.clock.now)) == []
    await scene.gateways.sync()
    assert second.view[scene.watching.user_id].status == "away"


async def test_who_is_not_cached_is_left_to_presence(scene: Scene) -> None:
    """In the order of the commands, with those of others carried out."""
    await scene.script().provide()
    stranger = await scene.gateways.plug(Device(str(uuid.uuid4()), "gateway-1"))
    left: list[Report] = [stranger.connected(scene.clock.now), stranger.chose("busy", scene.clock.now)]
    assert await scene.carry_out(left[0], scene.watching.chose("away", scene.clock.now), left[1]) == left


async def test_a_first_connection_brings_the_friends_that_its_gateway_read(scene: Scene) -> None:
    await scene.script().provide()
    await scene.replica.friends.forget(scene.user)
    device = await scene.gateways.plug(Device(scene.user, "gateway-1"))
    friends = await scene.read_friends()
    assert await scene.direct.carry_out([device.connected(scene.clock.now)], list(friends.values())) == []
    await scene.gateways.sync()
    (bulk,) = device.take()
    assert isinstance(bulk, server.StatusBulk)
    assert [user.user_id for user in bulk.payload.users] == [scene.watching.user_id]
    assert [type(event) for event in scene.watching.take()] == [server.UserOnline]
    # They are cached from now on.
    assert await scene.carry_out(device.chose("busy", scene.clock.now)) == []


async def test_one_without_friends_needs_no_presence(scene: Scene) -> None:
    await scene.script().provide()
    stranger = await scene.gateways.plug(Device(str(uuid.uuid4()), "gateway-1"))
    friends = await scene.direct.read_friends({stranger.user_id: ""})
    assert await scene.direct.carry_out([stranger.connected(scene.clock.now)], list(friends.values())) == []
    await scene.gateways.sync()
    (bulk,) = stranger.take()
    assert isinstance(bulk, server.StatusBulk)
    assert bulk.payload.users == []


async def test_friends_that_changed_since_they_were_read_are_left_to_presence(scene: Scene) -> None:
    await scene.script().provide()
    await scene.replica.friends.forget(scene.user)
    device = await scene.gateways.plug(Device(scene.user, "gateway-1"))
    friends = await scene.read_friends()
    await scene.replica.unfollow(scene.user, scene.watching.user_id)
    # Presence has cached the new list.
    await scene.replica.friends.forget(scene.user)
    connected = device.connected(scene.clock.now)
    assert await scene.direct.carry_out([connected], list(friends.values())) == [connected]


async def test_friends_of_a_user_with_too_many_are_left_to_presence(scene: Scene) -> None:
    scene.replica.follows.most_friends = 1
    await scene.script().provide()
    assert list(await scene.read_friends()) == [scene.user]
    other = str(uuid.uuid4())
    for pair in ((scene.user, other), (other, scene.user)):
        await scene.replica.follow(*pair)
    assert await scene.read_friends() == {}


async def test_no_friends_are_read_without_a_script_that_takes_them(scene: Scene) -> None:
    """One of presence's earlier releases says of none."""
    assert await scene.read_friends() == {}
    await scene.script().provide()
    client, key = scene.partitions.at(0).client, keys.DIRECT_PRESENCE
    stored = await client.get(key)
    assert isinstance(stored, bytes)
    lent = relay.direct_presence_decoder.decode(stored)
    await client.set(key, msgspec.msgpack.encode([lent.sha, lent.settings]))
    assert await scene.another_gateway().read_friends({scene.user: ""}) == {}


async def test_while_postgres_is_away_first_connections_are_left_to_presence(scene: Scene, pool: Pool) -> None:
    await scene.script().provide()
    async with pool.acquire() as holding, holding.transaction():
        await holding.execute("LOCK TABLE presence.follows")
        assert await scene.read_friends() == {}
    # It isn't asked again for a while.
    assert await scene.read_friends() == {}


async def test_commands_with_too_many_friends_are_left_to_presence(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that looked at all of them would hold Redis up."""
    monkeypatch.setattr("services.presence.direct_script.RECEIVERS_PER_CALL", 1)
    await scene.script().provide()
    commands = [scene.watching.chose(status, scene.clock.now) for status in ("busy", "away")]
    assert await scene.another_gateway().carry_out(commands) == commands[1:]


async def test_nothing_is_carried_out_without_the_script(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presence does not provide it, or Redis has forgotten it."""
    command = scene.watching.chose("busy", scene.clock.now)
    assert await scene.another_gateway().carry_out([command]) == [command]
    await scene.script().provide()
    await scene.partitions.at(0).client.script_flush()
    assert await scene.carry_out(command) == [command]
    monkeypatch.setattr(provided_script, "LOOK_SECONDS", 0)
    await scene.script().provide()
    assert await scene.another_gateway().carry_out([command]) == []


async def test_it_is_withdrawn_while_webhooks_are_told(scene: Scene) -> None:
    """At once, though gateways have it still."""
    await scene.script().provide()
    assert await scene.carry_out(scene.watching.chose("away", scene.clock.now)) == []
    await scene.script(tells_webhooks=True).renew()
    command = scene.watching.chose("busy", scene.clock.now)
    assert await scene.carry_out(command) == [command]


async def test_it_is_not_provided_where_friends_may_lie_elsewhere(pool: Pool, redis_url: str, clock: FakeClock) -> None:
    two = two_partitions(redis_url)
    friends = FriendCache(two, FollowStore(pool), cache_seconds=300)
    await direct_script(two, Leases(two, TIMING, clock), friends, tells_webhooks=False).renew()
    assert not await two.at(0).client.exists(two.at(0).key(keys.DIRECT_PRESENCE))
    await two.aclose()
