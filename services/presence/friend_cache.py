"""Friend lists of users, cached in Redis beside their leases. PostgreSQL is the source of truth.

Every change of a user's friends raises the user's version. A list that was read under an older version is neither cached nor used
to publish. So a lost friend gets no more events, even from a replica that was about to publish one.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.presence import metrics
from services.presence.follow_store import FollowStore
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions, Script

VERSION_SECONDS: Final = 3600
"""TTL of a version: much longer than a process keeps a list that was read under it."""

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


class FriendCache:
    """Reads friend lists through the cache."""

    def __init__(self, partitions: Partitions, follows: FollowStore, cache_seconds: int) -> None:
        self._partitions = partitions
        self._follows = follows
        self._cache_seconds = cache_seconds

    async def of(self, user_ids: Iterable[str]) -> dict[str, FriendList]:
        """Return user → friend list, from the cache if possible."""
        groups = self._partitions.split(dict.fromkeys(user_ids))
        answers = await asyncio.gather(
            *(_FRIENDS(self._partitions.at(index), *users) for index, users in groups.items())
        )
        friend_lists: dict[str, FriendList] = {}
        missing: dict[str, str] = {}
        for users, rows in zip(groups.values(), answers, strict=True):
            for user, (version, members) in zip(users, rows, strict=True):
                if members is None:
                    missing[user] = version.decode()
                else:
                    friend_lists[user] = FriendList.from_members(
                        version.decode(), (member.decode() for member in members)
                    )
        return friend_lists | await self.load(missing)

    async def load(self, versions: Mapping[str, str]) -> dict[str, FriendList]:
        """Read the friend lists of uncached users from PostgreSQL, and cache them under the given versions.

        Returns user → friend list.
        """
        if not versions:
            return {}
        metrics.FRIENDS_LOADED.inc(len(versions))
        mutuals = await self._follows.mutuals_of(versions)
        friend_lists = {user: FriendList(version, *mutuals[user]) for user, version in versions.items()}
        await asyncio.gather(
            *(
                _REMEMBER(
                    self._partitions.at(index),
                    msgpack_encoder.encode(
                        (self._cache_seconds, [(user, versions[user], friend_lists[user].members) for user in users])
                    ),
                )
                for index, users in self._partitions.split(versions).items()
            )
        )
        return friend_lists

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
