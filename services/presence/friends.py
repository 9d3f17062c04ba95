"""Friends of users, cached in Redis beside their leases; PostgreSQL is the truth.

Every change of a user's friends raises the user's version. What was read under an older version is neither cached nor
used to publish: so a lost friend hears nothing more, whoever was about to tell.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from services.presence import metrics
from services.presence.follows import Follows
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Shards

VERSION_SECONDS: Final = 3600
"""How long a version is kept: much longer than anything that was read under it is held in a process."""

_FRIENDS: Final = Script("services.presence", "state", "friends")
_REMEMBER: Final = Script("services.presence", "remember_friends")


_ABSENT: Final = "-"
"""Before the id of a cached friend who is shown as absent."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A user's friends as of a version, and the `absent`: those behind a block, who hear nothing and are shown as offline."""

    version: str
    user_ids: list[str]
    absent: list[str] = field(default_factory=list)

    @classmethod
    def of_members(cls, version: str, members: Iterable[str]) -> "Circle":
        """The circle that was cached as `members`."""
        circle = cls(version, [])
        for member in members:
            if member.startswith(_ABSENT):
                circle.absent.append(member.removeprefix(_ABSENT))
            else:
                circle.user_ids.append(member)
        return circle

    @property
    def members(self) -> list[str]:
        """How the circle is cached."""
        return [*self.user_ids, *(_ABSENT + user for user in self.absent)]


class Friends:
    """Who is friends with whom."""

    def __init__(self, shards: Shards, follows: Follows, cache_seconds: int) -> None:
        self._shards = shards
        self._follows = follows
        self._cache_seconds = cache_seconds

    async def of(self, user_ids: Iterable[str]) -> dict[str, Circle]:
        """User → circle, from the cache where it is there."""
        groups = self._shards.split(dict.fromkeys(user_ids))
        answers = await asyncio.gather(*(_FRIENDS(self._shards.at(index), *users) for index, users in groups.items()))
        circles: dict[str, Circle] = {}
        missing: dict[str, str] = {}
        for users, rows in zip(groups.values(), answers, strict=True):
            for user, (version, members) in zip(users, rows, strict=True):
                if members is None:
                    missing[user] = version.decode()
                else:
                    circles[user] = Circle.of_members(version.decode(), (member.decode() for member in members))
        return circles | await self.load(missing)

    async def load(self, versions: Mapping[str, str]) -> dict[str, Circle]:
        """User → circle of users that aren't cached, given their versions as read before; and cache them."""
        if not versions:
            return {}
        metrics.FRIENDS_LOADED.inc(len(versions))
        mutuals = await self._follows.mutuals_of(versions)
        circles = {user: Circle(version, *mutuals[user]) for user, version in versions.items()}
        await asyncio.gather(
            *(
                _REMEMBER(
                    self._shards.at(index),
                    msgpack_encoder.encode(
                        (self._cache_seconds, [(user, versions[user], circles[user].members) for user in users])
                    ),
                )
                for index, users in self._shards.split(versions).items()
            )
        )
        return circles

    async def versions(self, user_ids: Iterable[str]) -> dict[str, str]:
        """User → version now."""
        found: dict[str, str] = {}
        for index, users in self._shards.split(dict.fromkeys(user_ids)).items():
            names = [keys.key(keys.FRIENDS_VERSION, user) for user in users]
            values = cast("list[bytes | None]", await self._shards.at(index).mget(names))
            found |= {user: (value or b"").decode() for user, value in zip(users, values, strict=True)}
        return found

    async def forget(self, *user_ids: str) -> None:
        """Raise the versions of users whose friends changed, after the change is committed."""
        for user in user_ids:
            async with self._shards.of(user).pipeline(transaction=True) as pipe:
                pipe.incr(keys.key(keys.FRIENDS_VERSION, user))
                pipe.expire(keys.key(keys.FRIENDS_VERSION, user), VERSION_SECONDS)
                pipe.delete(keys.key(keys.FRIENDS, user))
                await pipe.execute()
