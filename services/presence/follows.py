"""Who follows whom, and who blocks whom, in PostgreSQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from shared.postgres import Pool, load_sql
from shared.protocol.relay import BlockChanged

_FRIENDS: Final = load_sql("services.presence", "friends")
_FRIENDS_PAGE: Final = load_sql("services.presence", "friends_page")
_FOLLOW: Final = load_sql("services.presence", "follow")
_BOND: Final = load_sql("services.presence", "bond")
_SET_BLOCK: Final = load_sql("services.presence", "set_block")


@dataclass(frozen=True, slots=True)
class Bond:
    """What two users are to each other: whether each follows the other, and who of them blocks the other."""

    mutual: bool
    blockers: frozenset[str]

    @property
    def friends(self) -> bool:
        """Friends are mutual follows without a block in either direction."""
        return self.mutual and not self.blockers


class Mutuals(NamedTuple):
    """The mutual follows of one user: friends, and those behind a block, who are shown as friends that are absent."""

    friends: list[str]
    absent: list[str]


class Follows:
    """The tables of presence. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def follow(self, follower: str, followee: str) -> datetime:
        """Let one follow the other. Returns since when; repeating it changes nothing."""
        row = await self._pool.fetchrow(_FOLLOW, follower, followee)
        if row is None:
            # Another request inserted the row after our snapshot was taken: it is there now.
            row = await self._pool.fetchrow(_FOLLOW, follower, followee)
        assert row is not None
        since: datetime = row["created_at"]
        return since

    async def unfollow(self, follower: str, followee: str) -> None:
        """Let one no longer follow the other; repeating it changes nothing."""
        await self._pool.execute(
            "DELETE FROM presence.follows WHERE follower = $1::uuid AND followee = $2::uuid", follower, followee
        )

    async def set_block(self, change: BlockChanged) -> bool:
        """Note a block's beginning or end. False when something newer is known."""
        row = await self._pool.fetchrow(_SET_BLOCK, change.blocker, change.blocked, change.active, change.version)
        return row is not None

    async def bond(self, one: str, other: str) -> Bond:
        """What two users are to each other."""
        row = await self._pool.fetchrow(_BOND, one, other)
        assert row is not None
        return Bond(row["mutual"], frozenset(row["blockers"]))

    async def mutuals_of(self, user_ids: Iterable[str]) -> dict[str, Mutuals]:
        """User → mutual follows, of each of these."""
        mutuals = {user: Mutuals([], []) for user in user_ids}
        for user, friend, absent in await self._pool.fetch(_FRIENDS, list(mutuals)):
            (mutuals[user].absent if absent else mutuals[user].friends).append(friend)
        return mutuals

    async def friends_page(self, user_id: str, after: str | None, most: int) -> dict[str, bool]:
        """Up to `most` mutual follows in the order of their ids, from behind `after` → whether they are shown as absent."""
        rows = await self._pool.fetch(_FRIENDS_PAGE, user_id, after, most)
        return {row["friend_id"]: row["absent"] for row in rows}
