"""Follows, unfollows and blocks on live presence."""

import asyncio
import uuid

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


async def test_a_lost_friend_gets_no_more_events(
    replica: Replica, gateways: Gateways, clock: FakeClock, friends: tuple[str, str], watching: Device
) -> None:
    a = await gateways.plug(Device(friends[0], "gateway-1"))
    await replica.handle(a.connected(clock.now))
    await gateways.sync()
    watching.take()
    await replica.unfollow(watching.user_id, a.user_id)
    await replica.handle(a.chose("away", clock.now), a.disconnected(clock.now, clean=True))
    await gateways.sync()
    # The dot goes out at once, and nothing comes after.
    assert watching.take() == [server.UserOffline(UserStatus(a.user_id, False, "offline", None))]


async def test_following_again_and_unfollowing_nobody_voids_no_list(replica: Replica, friends: tuple[str, str]) -> None:
    one, other = friends
    await replica.friends.of(friends)
    before = await replica.friends.versions(friends)
    relationship = await replica.friendship_service.check(one, other)
    assert relationship.friends
    await replica.friendship_service.part(one, str(uuid.uuid4()), were_friends=False)
    assert await replica.friends.versions(friends) == before


async def test_a_changed_profile_reaches_friends_partners_and_own_devices(
    replica: Replica, gateways: Gateways, clock: FakeClock, friends: tuple[str, str], watching: Device
) -> None:
    own = await gateways.plug(Device(friends[0], "gateway-1"))
    partner = await gateways.plug(Device(str(uuid.uuid4()), "gateway-1"))
    stranger = await gateways.plug(Device(str(uuid.uuid4()), "gateway-2"))
    blocked = await gateways.plug(Device(str(uuid.uuid4()), "gateway-2"))
    await replica.follow(own.user_id, blocked.user_id)
    await replica.follow(blocked.user_id, own.user_id)
    await replica.handle(relay.BlockChanged(blocked.user_id, own.user_id, True, 1))
    await gateways.sync()
    devices = (own, partner, watching, stranger, blocked)
    for device in devices:
        device.take()
    change = relay.ProfileChanged(own.user_id, "sam", "Sam", None, [partner.user_id, blocked.user_id])
    await replica.handle(change)
    await gateways.sync()
    event = server.UserUpdated(UserUpdatedPayload(own.user_id, "sam", "Sam", None))
    assert [device.take() for device in devices] == [[event], [event], [event], [], []]


async def test_a_block_looks_like_absence(
    replica: Replica, gateways: Gateways, clock: FakeClock, friends: tuple[str, str], watching: Device
) -> None:
    alice, bob = friends
    a = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(a.connected(clock.now))
    await gateways.sync()
    watching.take()
    a.take()
    await block(replica, gateways, alice, bob, True, 1)
    assert hears(watching) == [(alice, "offline")]
    assert hears(a) == [(bob, "offline")]
    await block(replica, gateways, bob, alice, True, 2)
    clock.now += 1
    await replica.handle(a.chose("busy", clock.now), watching.chose("busy", clock.now))
    await gateways.sync()
    assert hears(watching) == [(bob, "busy")]
    assert hears(a) == [(alice, "busy")]
    await block(replica, gateways, alice, bob, False, 3)
    assert hears(watching) == hears(a) == []
    await block(replica, gateways, bob, alice, False, 4)
    assert hears(watching) == [(alice, "busy")]
    assert hears(a) == [(bob, "busy")]


async def test_a_block_of_someone_offline_says_nothing(
    replica: Replica, gateways: Gateways, friends: tuple[str, str], watching: Device
) -> None:
    await block(replica, gateways, friends[0], friends[1], True, 1)
    assert watching.take() == []
    assert await snapshot_of(replica, gateways, friends[1], STARTED_AT) == [
        UserStatus(friends[0], False, "offline", None)
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


async def test_a_blocked_pair_sees_the_state_of_when_the_block_began(
    replica: Replica, gateways: Gateways, clock: FakeClock, friends: tuple[str, str], watching: Device
) -> None:
    alice, bob = friends
    a = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(a.connected(clock.now))
    clock.now += 2000
    await block(replica, gateways, alice, bob, True, 1)
    frozen = "2023-11-14T22:13:22.000Z"
    assert watching.take()[1:] == [server.UserOffline(UserStatus(alice, False, "offline", frozen))]
    a.take()
    clock.now += 30_000
    await block(replica, gateways, alice, bob, True, 1)
    await block(replica, gateways, bob, alice, True, 2)
    await block(replica, gateways, alice, bob, False, 3)
    await replica.handle(a.chose("busy", clock.now), watching.chose("away", clock.now))
    await gateways.sync()
    assert hears(a) == [(alice, "busy")]
    assert hears(watching) == [(bob, "away")]
    for user, other in ((alice, bob), (bob, alice)):
        assert await snapshot_of(replica, gateways, user, clock.now) == [UserStatus(other, False, "offline", frozen)]
    await block(replica, gateways, bob, alice, False, 4)
    assert hears(watching)[-1:] == [(alice, "busy")]
    (shown,) = await snapshot_of(replica, gateways, bob, clock.now)
    assert (shown.status, shown.last_seen) == ("busy", "2023-11-14T22:13:52.000Z")
    clock.now += 5000
    await block(replica, gateways, alice, bob, True, 5)
    assert watching.view[alice].last_seen == "2023-11-14T22:13:57.000Z"


async def test_two_who_block_each_other_at_once_are_told_once(
    replica: Replica,
    other_replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    alice, bob = friends
    a = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(a.connected(clock.now))
    await gateways.sync()
    watching.take()
    await asyncio.gather(
        replica.handle(relay.BlockChanged(alice, bob, True, 1)),
        other_replica.handle(relay.BlockChanged(bob, alice, True, 1)),
    )
    await gateways.sync()
    assert hears(watching) == [(alice, "offline")]


async def test_of_two_block_changes_the_newer_counts(
    replica: Replica, other_replica: Replica, gateways: Gateways, friends: tuple[str, str], watching: Device
) -> None:
    alice, bob = friends
    await block(replica, gateways, alice, bob, False, 2)
    await block(other_replica, gateways, alice, bob, True, 1)
    assert (await replica.follows.relationship(alice, bob)).friends


async def test_a_status_read_before_a_block_is_not_published_after_it(
    replica: Replica,
    other_replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    """A replica has read Alice's friends, and is slow; the block lands before it tells them that she came."""
    alice, bob = friends
    device = await gateways.plug(Device(alice, "gateway-1"))
    outcomes = await replica.leases.advance({alice: [Hold(device.connection_id, clock.now)]}, set())
    friend_lists = await replica.announcer.friends_of(outcomes)
    assert friend_lists[alice].user_ids == [bob]
    await block(other_replica, gateways, alice, bob, True, 1)
    await replica.announcer.announce(outcomes, friend_lists)
    await gateways.sync()
    assert watching.view.get(alice, UserStatus(alice, False, "offline", None)).status == "offline"


async def test_a_friend_lost_while_going_offline_is_not_left_online(
    replica: Replica,
    other_replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    alice, bob = friends
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(device.connected(clock.now))
    outcomes = await replica.leases.advance({alice: [Close(device.connection_id, clock.now)]}, set())
    friend_lists = await replica.announcer.friends_of(outcomes)
    await block(other_replica, gateways, alice, bob, True, 1)
    assert watching.view[alice].status == "online"
    await replica.announcer.announce(outcomes, friend_lists)
    await gateways.sync()
    assert watching.view[alice].status == "offline"


async def test_a_snapshot_read_before_a_block_is_corrected(
    replica: Replica,
    other_replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    friends: tuple[str, str],
    watching: Device,
) -> None:
    alice, bob = friends
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(device.connected(clock.now))
    friend_lists = await replica.friends.of([bob])
    await block(other_replica, gateways, alice, bob, True, 1)
    await replica.snapshots.send([SnapshotRequest(bob, watching.connection_id, watching.gateway_id)], friend_lists)
    await gateways.sync()
    assert watching.view[alice].status == "offline"


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
