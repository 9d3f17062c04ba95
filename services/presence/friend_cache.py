"""Friend lists of users, cached in Redis beside their leases. PostgreSQL is the source of truth.

Every change of a user's friends raises the user's version. A list that was read under an older version is neither cached nor used
to publish. So a lost friend gets no more events, even from a replica that was about to publish one.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.presence import metrics
from services.presence.follow_store import FollowStore
from services.presence.routes import PAUSE_SECONDS
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partition, Partitions, Script

VERSION_SECONDS: Final = 3600
"""TTL of a version: much longer than a process keeps a list that was read under it."""

FRIENDS_PER_CALL: Final = 1_000
"""Friends that one script caches, which takes a millisecond."""
LISTS_PER_CALL: Final = 50
"""Friend lists that one script reads: that of a user with thousands of friends takes a millisecond or two."""
PART_SECONDS: Final = 60
"""TTL of a list that is cached in part, for a process that ends meanwhile."""
LONG_LISTS: Final = 32
"""Long lists that a replica keeps. One with 5,000 friends takes about 0.5 MB."""
LONG_LIST_SECONDS: Final = 10.0
"""How long a replica keeps a long list, as long as its version stays the same."""

_FRIENDS: Final = Script("services.presence", "state", "friends")
_VERSIONS: Final = Script("services.presence", "versions")
_REMEMBER: Final = Script("services.presence", "remember_friends")

_ABSENT: Final = "-"
"""Prefix of the id of a cached friend with a block."""


@dataclass(frozen=True, slots=True)
class FriendList:
    """A user's friends at a version. `absent`: friends with a block, who get no events and are shown as offline."""

    version: str
    user_ids: list[str]
    absent: list[str] = field(default_factory=list)

    @classmethod
    def from_members(cls, version: str, members: Iterable[str]) -> "FriendList":
        """Return the list that was cached as `members`."""
        friend_list = cls(version, [])
        for member in members:
            if member.startswith(_ABSENT):
                friend_list.absent.append(member.removeprefix(_ABSENT))
            else:
                friend_list.user_ids.append(member)
        return friend_list

    @property
    def members(self) -> list[str]:
        """Return the list in its cached form."""
        return [*self.user_ids, *(_ABSENT + user for user in self.absent)]


@dataclass(frozen=True, slots=True)
class CachedList:
    """What Redis has of a user's friends, at a version. `members` are None when nothing is cached, or when the list `is_long`."""

    version: str
    members: list[str] | None = None
    is_long: bool = False

    @classmethod
    def decoded(cls, version: bytes, members: list[bytes] | int | None) -> "CachedList":
        """Return what `friends` in `lua/state.lua` answers: the members, 1 for a long list, or nothing."""
        if isinstance(members, list):
            return cls(version.decode(), [member.decode() for member in members])
        return cls(version.decode(), is_long=members is not None)


Entry = tuple[str, str, str, list[str], int]
"""What `lua/remember_friends.lua` takes: user, version, id of this caching, members, and with the last ones how many all are."""
_MORE: Final = -1


def calls_of(friend_lists: Mapping[str, FriendList]) -> Iterator[list[Entry]]:
    """Yield the entries of each script that caches these lists: at most about `FRIENDS_PER_CALL` friends, long lists in parts."""
    call: list[Entry] = []
    room = FRIENDS_PER_CALL
    for user, friend_list in friend_lists.items():
        members, caching = friend_list.members, uuid.uuid4().hex
        for first in range(0, max(len(members), 1), FRIENDS_PER_CALL):
            part = members[first : first + FRIENDS_PER_CALL]
            if call and room < len(part):
                yield call
                call, room = [], FRIENDS_PER_CALL
            total = len(members) if first + FRIENDS_PER_CALL >= len(members) else _MORE
            call.append((user, friend_list.version, caching, part, total))
            room -= len(part) + 1
    if call:
        yield call


class LongLists:
    """The long friend lists that this replica has used last. `in`: whether a user's list was long when it was last read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lists: OrderedDict[str, tuple[FriendList, float]] = OrderedDict()

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._lists

    def find(self, user_id: str, version: str) -> FriendList | None:
        """Return a user's list if it was read a moment ago under this version."""
        friend_list, until = self._lists.get(user_id, (None, 0.0))
        if friend_list is None or friend_list.version != version or self._clock() >= until:
            return None
        self._lists.move_to_end(user_id)
        return friend_list

    def note(self, user_id: str, friend_list: FriendList) -> None:
        """Keep a list that has just been read, if it is long."""
        self._lists.pop(user_id, None)
        if len(friend_list.user_ids) + len(friend_list.absent) > keys.LONG_FRIEND_LIST:
            self._lists[user_id] = (friend_list, self._clock() + LONG_LIST_SECONDS)
        if len(self._lists) > LONG_LISTS:
            self._lists.popitem(last=False)


class FriendCache:
    """Reads friend lists through the cache.

    Long lists are in Redis too, so that gateways see that there are friends. They are read from PostgreSQL, which keeps nobody
    else waiting, and kept by each replica for some seconds.
    """

    def __init__(self, partitions: Partitions, follows: FollowStore, cache_seconds: int) -> None:
        self._partitions = partitions
        self._follows = follows
        self.long_lists = LongLists()
        self.cache_seconds = cache_seconds
        """How long a list is kept."""

    @property
    def most_friends(self) -> int:
        """How many friends a list may have."""
        return self._follows.most_friends

    async def of(self, user_ids: Iterable[str]) -> dict[str, FriendList]:
        """Return user → friend list, from the cache if possible."""
        groups = [
            (index, users[first : first + LISTS_PER_CALL])
            for index, users in self._partitions.split(dict.fromkeys(user_ids)).items()
            for first in range(0, len(users), LISTS_PER_CALL)
        ]
        answers = await asyncio.gather(*(_FRIENDS(self._partitions.at(index), *users) for index, users in groups))
        return await self.complete(
            {
                user: CachedList.decoded(*row)
                for (_, users), rows in zip(groups, answers, strict=True)
                for user, row in zip(users, rows, strict=True)
            }
        )

    async def complete(self, cached: Mapping[str, CachedList]) -> dict[str, FriendList]:
        """Return user → friend list, given what Redis has. Lists that it lacks are read from PostgreSQL."""
        known: dict[str, FriendList] = {}
        missing: dict[str, str] = {}
        long: dict[str, str] = {}
        for user, found in cached.items():
            if found.members is not None:
                known[user] = FriendList.from_members(found.version, found.members)
            else:
                (long if found.is_long else missing)[user] = found.version
        return known | await self._load(missing) | await self._load_long(long)

    async def _load(self, versions: Mapping[str, str]) -> dict[str, FriendList]:
        """Read the friend lists of uncached users from PostgreSQL, and cache them under the given versions.

        Returns user → friend list.
        """
        if not versions:
            return {}
        friend_lists = await self._read(versions)
        await asyncio.gather(
            *(
                self._remember(self._partitions.at(index), {user: friend_lists[user] for user in users})
                for index, users in self._partitions.split(versions).items()
            )
        )
        return friend_lists

    async def _load_long(self, versions: Mapping[str, str]) -> dict[str, FriendList]:
        """Return user → friend list for users whose list is cached in Redis and too long to be read there."""
        kept = {user: self.long_lists.find(user, version) for user, version in versions.items()}
        missing = {user: versions[user] for user, friend_list in kept.items() if friend_list is None}
        found = {user: friend_list for user, friend_list in kept.items() if friend_list is not None}
        return found | await self._read(missing) if missing else found

    async def _read(self, versions: Mapping[str, str]) -> dict[str, FriendList]:
        """Read lists from PostgreSQL."""
        metrics.FRIENDS_LOADED.inc(len(versions))
        mutuals = await self._follows.mutuals_of(versions)
        friend_lists = {user: FriendList(version, *mutuals[user]) for user, version in versions.items()}
        for user, friend_list in friend_lists.items():
            self.long_lists.note(user, friend_list)
        return friend_lists

    async def _remember(self, partition: Partition, friend_lists: Mapping[str, FriendList]) -> None:
        """Cache lists by short scripts. A list is visible when all of it is there."""
        for call in calls_of(friend_lists):
            await _REMEMBER(partition, msgpack_encoder.encode((self.cache_seconds, PART_SECONDS, call)))
            *_, total = call[-1]
            if total == _MORE:
                await asyncio.sleep(PAUSE_SECONDS)

    async def versions(self, user_ids: Iterable[str]) -> dict[str, str]:
        """Return user → current version."""
        found: dict[str, str] = {}
        for index, users in self._partitions.split(dict.fromkeys(user_ids)).items():
            values: list[bytes | None] = await _VERSIONS(self._partitions.at(index), *users)
            found |= {user: (value or b"").decode() for user, value in zip(users, values, strict=True)}
        return found

    async def forget(self, *user_ids: str) -> None:
        """Raise the versions of users whose friends changed. Call it after the commit of the change."""
        for index, users in self._partitions.split(dict.fromkeys(user_ids)).items():
            partition = self._partitions.at(index)
            async with partition.client.pipeline(transaction=True) as pipe:
                for user in users:
                    pipe.incr(partition.key(keys.FRIENDS_VERSION, user))
                    pipe.expire(partition.key(keys.FRIENDS_VERSION, user), VERSION_SECONDS)
                    pipe.delete(partition.key(keys.FRIENDS, user))
                await pipe.execute()
