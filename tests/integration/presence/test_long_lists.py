"""Users with more friends than one script reads: no script returns their list, and friends see the same as those of others."""

import uuid
from typing import Any

import pytest

from services.presence.friend_cache import LONG_LIST_SECONDS, LONG_LISTS, FriendList, LongLists
from services.presence.routes import READ_PER_CALL
from shared.protocol import keys, relay, server
from shared.protocol.requests import FollowChange
from shared.redis.script_runner import ScriptRunner
from tests.support.presence import Device, FakeClock, Gateways, Replica

COUNT = keys.LONG_FRIEND_LIST + 100


@pytest.fixture
async def crowd(replica: Replica, alice: str) -> list[str]:
    """Alice's friends."""
    made = [str(uuid.uuid4()) for _ in range(COUNT)]
    edges = [edge for friend in made for edge in ((alice, friend), (friend, alice))]
    await replica.follows.set_all([FollowChange(one, other, True) for one, other in edges])
    await replica.friends.of([alice])
    return made


@pytest.fixture
async def friend(replica: Replica, gateways: Gateways, clock: FakeClock, crowd: list[str]) -> Device:
    """A device of one of the friends, which has had its snapshot."""
    device = await gateways.plug(Device(crowd[0], "gateway-2"))
    await replica.handle(device.connected(clock.now))
    await gateways.sync()
    device.take()
    return device


async def test_no_script_reads_a_long_list_at_once(
    replica: Replica,
    gateways: Gateways,
    clock: FakeClock,
    alice: str,
    crowd: list[str],
    friend: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Acknowledgements wait for scripts. A replica reads the list from PostgreSQL, and once for all changes of a moment."""
    sizes: list[int] = []
    reads: list[set[str]] = []
    run, mutuals_of = ScriptRunner.run, replica.follows.mutuals_of

    async def noted(runner: ScriptRunner, sha: str, text: str | None, arguments: tuple[Any, ...]) -> Any:
        answer = await run(runner, sha, text, arguments)
        shown = f"{arguments}{answer}"
        sizes.append(sum(each in shown for each in crowd))
        return answer

    async def counted(user_ids: Any) -> Any:
        reads.append(set(user_ids))
        return await mutuals_of(user_ids)

    replica.friends.long_lists.__init__()  # type: ignore[misc]
    monkeypatch.setattr(ScriptRunner, "run", noted)
    monkeypatch.setattr(replica.follows, "mutuals_of", counted)
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(device.connected(clock.now))
    await gateways.sync()
    assert device.view.keys() == set(crowd)
    assert [type(event) for event in friend.take()] == [server.UserOnline]
    await replica.handle(device.disconnected(clock.now, clean=True))
    await gateways.sync()
    assert [type(event) for event in friend.take()] == [server.UserOffline]
    assert READ_PER_CALL // 2 < max(sizes) <= READ_PER_CALL
    assert reads == [{alice}]


async def test_a_friend_who_was_lost_at_another_replica_is_told_nothing_more(
    replica: Replica, other_replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, friend: Device
) -> None:
    """The list that a replica keeps is used only under its version."""
    device = await gateways.plug(Device(alice, "gateway-1"))
    await replica.handle(device.connected(clock.now))
    await other_replica.unfollow(friend.user_id, alice)
    await gateways.sync()
    friend.take()
    await replica.handle(device.chose("busy", clock.now))
    await gateways.sync()
    assert friend.take() == []


async def test_of_several_changes_at_once_only_the_last_is_told(
    replica: Replica, gateways: Gateways, clock: FakeClock, alice: str, friend: Device
) -> None:
    """Profiles that were replaced, and connections that have ended, cost nothing."""
    device = await gateways.plug(Device(alice, "gateway-1"))
    gone = await gateways.plug(Device(alice, "gateway-1"))
    names = ("One", "Two", "Three")
    await replica.handle(
        device.connected(clock.now),
        gone.connected(clock.now),
        *(relay.ProfileChanged(alice, "alice", name, None, []) for name in names),
        gone.disconnected(clock.now, clean=True),
    )
    await gateways.sync()
    updated = [event.payload.display_name for event in friend.take() if isinstance(event, server.UserUpdated)]
    assert updated == ["Three"]
    assert len(device.parts) > 1
    assert gone.parts == []


def test_a_long_list_is_kept_for_a_moment_under_its_version() -> None:
    """So is only a limited number of them."""
    now = [0.0]
    lists = LongLists(lambda: now[0])
    long, short = FriendList("1", ["x"] * (keys.LONG_FRIEND_LIST + 1)), FriendList("1", ["x"])
    lists.note("alice", long)
    lists.note("bob", short)
    assert "alice" in lists
    assert "bob" not in lists
    assert lists.find("alice", "1") is long
    assert lists.find("alice", "2") is None
    now[0] = LONG_LIST_SECONDS
    assert lists.find("alice", "1") is None
    assert "alice" in lists
    lists.note("alice", short)
    assert "alice" not in lists
    for number in range(LONG_LISTS + 1):
        lists.note(str(number), long)
    assert "0" not in lists
    assert "1" in lists
