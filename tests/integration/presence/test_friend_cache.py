"""Long friend lists are cached by several short scripts, and only as a whole."""

import uuid
from typing import Any

import pytest

from services.presence import friend_cache
from services.presence.friend_cache import FriendList, calls_of
from shared.protocol import keys
from shared.redis import Partition, Partitions
from shared.redis.script_runner import ScriptRunner
from tests.support.presence import Replica

COUNT, PER_CALL = 7, 3


@pytest.fixture(autouse=True)
def short_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(friend_cache, "FRIENDS_PER_CALL", PER_CALL)


@pytest.fixture
async def friends(replica: Replica, alice: str) -> list[str]:
    """Alice's friends."""
    made = sorted(str(uuid.uuid4()) for _ in range(COUNT))
    for friend in made:
        await replica.follow(alice, friend)
        await replica.follow(friend, alice)
    return made


async def cached(partition: Partition, user: str) -> list[str]:
    """What Redis holds of a user's friends."""
    members = await partition.client.smembers(partition.key(keys.FRIENDS, user))
    return sorted(str(member, "utf-8") if isinstance(member, bytes) else member for member in members)


async def parts(partition: Partition, user: str) -> list[bytes]:
    """What is left of lists that were cached in part."""
    return [key async for key in partition.client.scan_iter(match=f"*{keys.FRIENDS}{user}:*", count=10_000)]


async def test_a_long_list_is_cached_by_short_scripts(
    replica: Replica, partitions: Partitions, alice: str, friends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acknowledgements wait for scripts."""
    await replica.friends.forget(alice)
    sizes: list[int] = []
    run = ScriptRunner.run

    async def noted(runner: ScriptRunner, sha: str, text: str | None, arguments: tuple[Any, ...]) -> Any:
        packed = [argument for argument in arguments if isinstance(argument, bytes)]
        sizes.append(sum(friend.encode() in argument for argument in packed for friend in friends))
        return await run(runner, sha, text, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ScriptRunner, "run", noted)
        loaded = await replica.friends.of([alice])
    assert sorted(loaded[alice].user_ids) == friends
    assert [size for size in sizes if size] == [3, 3, 1]
    partition = partitions.of(alice)
    assert await cached(partition, alice) == ["", *friends]
    assert await parts(partition, alice) == []
    assert sorted((await replica.friends.of([alice]))[alice].user_ids) == friends


async def test_a_list_that_changes_while_it_is_cached_is_not_kept(
    replica: Replica, partitions: Partitions, alice: str, friends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await replica.friends.forget(alice)
    calls = calls_of

    def changing(friend_lists: dict[str, FriendList]) -> Any:
        *before, last = calls(friend_lists)
        yield from before
        yield [(user, "an older version", *others) for user, _, *others in last]

    monkeypatch.setattr(friend_cache, "calls_of", changing)
    await replica.friends.of([alice])
    partition = partitions.of(alice)
    assert await cached(partition, alice) == []
    assert await parts(partition, alice) == []


async def test_a_last_part_that_is_written_twice_leaves_the_whole_list(
    replica: Replica, partitions: Partitions, alice: str, friends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script is run again when the connection broke before its answer."""
    await replica.friends.forget(alice)
    calls = calls_of

    def repeated(friend_lists: dict[str, FriendList]) -> Any:
        *before, last = calls(friend_lists)
        yield from (*before, last, last)

    monkeypatch.setattr(friend_cache, "calls_of", repeated)
    await replica.friends.of([alice])
    partition = partitions.of(alice)
    assert await cached(partition, alice) == ["", *friends]
    assert await parts(partition, alice) == []


def test_short_lists_share_a_script() -> None:
    lists = {str(number): FriendList("v", ["a"] * (number % 2)) for number in range(4)}
    assert [[user for user, *_ in call] for call in calls_of(lists)] == [["0", "1", "2"], ["3"]]
    assert [len(call) for call in calls_of({"a": FriendList("v", ["b"] * 2), "c": FriendList("v", ["d"] * 2)})] == [
        1,
        1,
    ]
