"""Follows, unfollows and blocks on live presence."""

import asyncio
import uuid
from dataclasses import dataclass

import pytest

from services.presence.follow_store import MOST_FRIENDS, FollowStore
from services.presence.friend_cache import CachedList
from services.presence.friend_snapshot import SnapshotRequest
from services.presence.rules import Close, Hold
from services.presence.settings import PresenceSettings
from shared.postgres import Pool
from shared.protocol import keys, relay, server
from shared.protocol.conversations import UserUpdatedPayload
from shared.protocol.payloads import StatusBulkPayload, UserStatus
from shared.redis import Partitions
from tests.support.presence import STARTED_AT, Device, FakeClock, Gateways, Replica


@pytest.fixture
async def pair(replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, bob: str) -> tuple[Device, Device]:
    """Devices of Alice and Bob, who are strangers."""
    devices = await gateways.plug(Device(alice, "gateway-1")), await gateways.plug(Device(bob, "gateway-2"))
    await replica.handle(*(device.connected(clock.now) for device in devices))
    await gateways.sync()
    for device in devices:
        assert device.take() == [server.StatusBulk(StatusBulkPayload([]))]
    return devices


def hears(device: Device) -> list[tuple[str, str]]:
    """(user, status) of what the device was told since the last time."""
    return [
        (event.payload.user_id, event.payload.status)
        for event in device.take()
        if not isinstance(event, server.StatusBulk | server.UserUpdated)
    ]


@dataclass
class Scene:
    """Alice and Bob, who are friends; `watching` is a device of Bob."""

    replica: Replica
    other_replica: Replica
    gateways: Gateways
    clock: FakeClock
    friends: tuple[str, str]
    watching: Device

    async def device_of_alice(self) -> Device:
        """It is connected, and Bob has been told."""
        device = await self.gateways.plug(Device(self.friends[0], "gateway-1"))
        await self.replica.handle(device.connected(self.clock.now))
        await self.gateways.sync()
        self.watching.take()
        return device

    async def block(self, blocker: str, blocked: str, active: bool, version: int, *, by: Replica | None = None) -> None:
        await block(by or self.replica, self.gateways, blocker, blocked, active, version)


@pytest.fixture
def scene(
    replica: Replica,
    other_replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    friends: tuple[str, str],
    watching: Device,
) -> Scene:
    return Scene(replica, other_replica, gateways, clock, friends, watching)


async def block(replica: Replica, gateways: Gateways, blocker: str, blocked: str, active: bool, version: int) -> None:
    await replica.handle(relay.BlockChanged(blocker, blocked, active, version))
    await gateways.sync()


async def snapshot_of(replica: Replica, gateways: Gateways, user: str, now: int) -> list[UserStatus]:
    """Whom a new device of the user is shown."""
    device = await gateways.plug(Device(user, "gateway-3"))
    await replica.handle(device.connected(now))
    await gateways.sync()
    shown = [event for event in device.take() if isinstance(event, server.StatusBulk)]
    assert len(shown) == 1
    return shown[0].payload.users


async def test_a_new_friend_is_shown_at_once(
    replica: Replica, gateways: Gateways, clock: FakeClock, pair: tuple[Device, Device]
) -> None:
    a, b = pair
    await replica.handle(b.chose("busy", clock.now))
    await replica.follow(a.user_id, b.user_id)
    await gateways.sync()
    assert hears(a) == []
    b.take()
    await replica.follow(b.user_id, a.user_id)
    await gateways.sync()
    assert hears(a) == [(b.user_id, "busy")]
    assert hears(b) == [(a.user_id, "online")]


async def test_a_new_friend_who_is_not_connected_is_shown_as_offline(
    replica: Replica, gateways: Gateways, clock: FakeClock, pair: tuple[Device, Device]
) -> None:
    a, b = pair
    await gateways.unplug(b)
    await replica.handle(b.disconnected(clock.now, clean=True))
    await replica.follow(a.user_id, b.user_id)
    await replica.follow(b.user_id, a.user_id)
    await gateways.sync()
    assert a.take() == [server.UserOffline(UserStatus(b.user_id, False, "offline", "2023-11-14T22:13:20.000Z"))]


async def test_a_lost_friend_gets_no_more_events(scene: Scene) -> None:
    a = await scene.device_of_alice()
    await scene.replica.unfollow(scene.watching.user_id, a.user_id)
    await scene.replica.handle(a.chose("away", scene.clock.now), a.disconnected(scene.clock.now, clean=True))
    await scene.gateways.sync()
    # The dot goes out at once, and nothing comes after.
    assert scene.watching.take() == [server.UserOffline(UserStatus(a.user_id, False, "offline", None))]


async def test_following_again_and_unfollowing_nobody_voids_no_list(replica: Replica, friends: tuple[str, str]) -> None:
    one, other = friends
    await replica.friends.of(friends)
    before = await replica.friends.versions(friends)
    relationship = await replica.friendship_service.check(one, other)
    assert relationship.friends
    await replica.friendship_service.part(one, str(uuid.uuid4()), were_friends=False)
    assert await replica.friends.versions(friends) == before


async def test_a_changed_profile_reaches_friends_partners_and_own_devices(scene: Scene) -> None:
    own = await scene.gateways.plug(Device(scene.friends[0], "gateway-1"))
    partner = await scene.gateways.plug(Device(str(uuid.uuid4()), "gateway-1"))
    stranger = await scene.gateways.plug(Device(str(uuid.uuid4()), "gateway-2"))
    blocked = await scene.gateways.plug(Device(str(uuid.uuid4()), "gateway-2"))
    await scene.replica.follow(own.user_id, blocked.user_id)
    await scene.replica.follow(blocked.user_id, own.user_id)
    await scene.replica.handle(relay.BlockChanged(blocked.user_id, own.user_id, True, 1))
    await scene.gateways.sync()
    devices = (own, partner, scene.watching, stranger, blocked)
    for device in devices:
        device.take()
    change = relay.ProfileChanged(own.user_id, "sam", "Sam", None, [partner.user_id, blocked.user_id])
    await scene.replica.handle(change)
    await scene.gateways.sync()
    event = server.UserUpdated(UserUpdatedPayload(own.user_id, "sam", "Sam", None))
    assert [device.take() for device in devices] == [[event], [event], [event], [], []]


async def test_a_block_looks_like_absence(scene: Scene) -> None:
    alice, bob = scene.friends
    a = await scene.device_of_alice()
    a.take()
    await scene.block(alice, bob, True, 1)
    assert hears(scene.watching) == [(alice, "offline")]
    assert hears(a) == [(bob, "offline")]
    await scene.block(bob, alice, True, 2)
    scene.clock.now += 1
    await scene.replica.handle(a.chose("busy", scene.clock.now), scene.watching.chose("busy", scene.clock.now))
    await scene.gateways.sync()
    assert hears(scene.watching) == [(bob, "busy")]
    assert hears(a) == [(alice, "busy")]
    await scene.block(alice, bob, False, 3)
    assert hears(scene.watching) == hears(a) == []
    await scene.block(bob, alice, False, 4)
    assert hears(scene.watching) == [(alice, "busy")]
    assert hears(a) == [(bob, "busy")]


async def test_a_block_of_someone_offline_says_nothing(scene: Scene) -> None:
    await scene.block(scene.friends[0], scene.friends[1], True, 1)
    assert scene.watching.take() == []
    assert await snapshot_of(scene.replica, scene.gateways, scene.friends[1], STARTED_AT) == [
        UserStatus(scene.friends[0], False, "offline", None)
    ]


async def test_a_follow_behind_a_block_finds_somebody_absent(
    replica: Replica, gateways: Gateways, clock: FakeClock, pair: tuple[Device, Device]
) -> None:
    """The follower is answered as usual; the followed user is absent to it, and isn't told."""
    a, b = pair
    clock.now += 1000
    await block(replica, gateways, a.user_id, b.user_id, True, 1)
    clock.now += 1000
    await replica.follow(a.user_id, b.user_id)
    await gateways.sync()
    assert a.take() == b.take() == []
    await replica.follow(b.user_id, a.user_id)
    await gateways.sync()
    assert a.take() == []
    assert b.take() == [server.UserOffline(UserStatus(a.user_id, False, "offline", "2023-11-14T22:13:21.000Z"))]
    assert not (await replica.follows.relationship(a.user_id, b.user_id)).friends


async def test_a_blocked_pair_sees_the_state_of_when_the_block_began(scene: Scene) -> None:
    alice, bob = scene.friends
    a = await scene.gateways.plug(Device(alice, "gateway-1"))
    await scene.replica.handle(a.connected(scene.clock.now))
    scene.clock.now += 2000
    await scene.block(alice, bob, True, 1)
    frozen = "2023-11-14T22:13:22.000Z"
    assert scene.watching.take()[1:] == [server.UserOffline(UserStatus(alice, False, "offline", frozen))]
    a.take()
    scene.clock.now += 30_000
    await scene.block(alice, bob, True, 1)
    await scene.block(bob, alice, True, 2)
    await scene.block(alice, bob, False, 3)
    await scene.replica.handle(a.chose("busy", scene.clock.now), scene.watching.chose("away", scene.clock.now))
    await scene.gateways.sync()
    assert hears(a) == [(alice, "busy")]
    assert hears(scene.watching) == [(bob, "away")]
    for user, other in ((alice, bob), (bob, alice)):
        assert await snapshot_of(scene.replica, scene.gateways, user, scene.clock.now) == [
            UserStatus(other, False, "offline", frozen)
        ]
    await scene.block(bob, alice, False, 4)
    assert hears(scene.watching)[-1:] == [(alice, "busy")]
    (shown,) = await snapshot_of(scene.replica, scene.gateways, bob, scene.clock.now)
    assert (shown.status, shown.last_seen) == ("busy", "2023-11-14T22:13:52.000Z")
    scene.clock.now += 5000
    await scene.block(alice, bob, True, 5)
    assert scene.watching.view[alice].last_seen == "2023-11-14T22:13:57.000Z"


async def test_two_who_block_each_other_at_once_are_told_once(scene: Scene) -> None:
    alice, bob = scene.friends
    await scene.device_of_alice()
    await asyncio.gather(
        scene.replica.handle(relay.BlockChanged(alice, bob, True, 1)),
        scene.other_replica.handle(relay.BlockChanged(bob, alice, True, 1)),
    )
    await scene.gateways.sync()
    assert hears(scene.watching) == [(alice, "offline")]


async def test_of_two_block_changes_the_newer_counts(scene: Scene) -> None:
    alice, bob = scene.friends
    await scene.block(alice, bob, False, 2)
    await scene.block(alice, bob, True, 1, by=scene.other_replica)
    assert (await scene.replica.follows.relationship(alice, bob)).friends


async def test_a_status_read_before_a_block_is_not_published_after_it(scene: Scene) -> None:
    """A replica has read Alice's friends, and is slow; the block lands before it tells them that she came."""
    alice, bob = scene.friends
    device = await scene.gateways.plug(Device(alice, "gateway-1"))
    outcomes = await scene.replica.leases.advance({alice: [Hold(device.connection_id, scene.clock.now)]}, set())
    friend_lists = await scene.replica.announcer.friends_of(outcomes)
    assert friend_lists[alice].user_ids == [bob]
    await scene.block(alice, bob, True, 1, by=scene.other_replica)
    await scene.replica.announcer.announce(outcomes, friend_lists)
    await scene.gateways.sync()
    assert scene.watching.view.get(alice, UserStatus(alice, False, "offline", None)).status == "offline"


async def test_a_friend_lost_while_going_offline_is_not_left_online(scene: Scene) -> None:
    alice, bob = scene.friends
    device = await scene.gateways.plug(Device(alice, "gateway-1"))
    await scene.replica.handle(device.connected(scene.clock.now))
    outcomes = await scene.replica.leases.advance({alice: [Close(device.connection_id, scene.clock.now)]}, set())
    friend_lists = await scene.replica.announcer.friends_of(outcomes)
    await scene.block(alice, bob, True, 1, by=scene.other_replica)
    assert scene.watching.view[alice].status == "online"
    await scene.replica.announcer.announce(outcomes, friend_lists)
    await scene.gateways.sync()
    assert scene.watching.view[alice].status == "offline"


async def test_a_snapshot_read_before_a_block_is_corrected(scene: Scene) -> None:
    alice, bob = scene.friends
    device = await scene.gateways.plug(Device(alice, "gateway-1"))
    await scene.replica.handle(device.connected(scene.clock.now))
    friend_lists = await scene.replica.friends.of([bob])
    await scene.block(alice, bob, True, 1, by=scene.other_replica)
    await scene.replica.snapshots.send(
        [SnapshotRequest(bob, scene.watching.connection_id, scene.watching.gateway_id)], friend_lists
    )
    await scene.gateways.sync()
    assert scene.watching.view[alice].status == "offline"


async def test_friends_are_not_cached_under_an_old_version(
    replica: Replica, partitions: Partitions, friends: tuple[str, str]
) -> None:
    alice, bob = friends
    versions = await replica.friends.versions([alice])
    await replica.unfollow(bob, alice)
    await replica.friends.complete({alice: CachedList(versions[alice])})
    assert not await partitions.of(alice).client.exists(keys.key(keys.FRIENDS, alice))
    assert (await replica.friends.of([alice]))[alice].user_ids == []
    assert await partitions.of(alice).client.exists(keys.key(keys.FRIENDS, alice))


async def test_friends_beyond_the_cap_are_neither_told_nor_shown(pool: Pool, alice: str) -> None:
    """Whoever has more friends than are told of a change: the same ones each time."""
    store = FollowStore(pool, most_friends=2)
    friends = sorted(str(uuid.uuid4()) for _ in range(4))
    for friend in friends:
        await store.follow(alice, friend)
        await store.follow(friend, alice)
    mutuals = await store.mutuals_of([alice, friends[3]])
    assert mutuals[alice].friends == friends[:2]
    assert mutuals[friends[3]].friends == [alice]
    assert PresenceSettings.model_fields["max_friends"].default == MOST_FRIENDS == 5_000
