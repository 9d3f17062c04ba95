"""Who follows whom, and who blocks whom, in PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from shared.postgres import Pool, load_sql
from shared.protocol.relay import BlockChanged
from shared.protocol.requests import FollowChange

MOST_FRIENDS: Final = 5_000

_FRIENDS: Final = load_sql("services.presence", "friends")
_FRIENDS_PAGE: Final = load_sql("services.presence", "friends_page")
_FOLLOW: Final = load_sql("services.presence", "follow")
_RELATIONSHIP: Final = load_sql("services.presence", "relationship")
_SET_BLOCK: Final = load_sql("services.presence", "set_block")
_SET_FOLLOWS: Final = load_sql("services.presence", "set_follows")
_RELATIONSHIPS: Final = load_sql("services.presence", "relationships")
_ERASE_FOLLOWS: Final = load_sql("services.presence", "erase_follows")
_ERASE_BLOCKS: Final = load_sql("services.presence", "erase_blocks")
_EXPORT_FOLLOWS: Final = load_sql("services.presence", "export_follows")


@dataclass(frozen=True, slots=True)
class Relationship:
    """Whether two users follow each other, and which of them block the other."""

    mutual: bool
    blockers: frozenset[str]

    @property
    def friends(self) -> bool:
        """Return whether they are friends: mutual follows without a block in either direction."""
        return self.mutual and not self.blockers


class Mutuals(NamedTuple):
    """The mutual follows of one user: friends, and `absent` ones, who have a block and are shown as offline since then."""

    friends: list[str]
    absent: list[str]


class FollowStore:
    """The tables of presence. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, most_friends: int = MOST_FRIENDS) -> None:
        self._pool = pool
        self.most_friends = most_friends

    async def follow(self, follower: str, followee: str) -> tuple[datetime, bool]:
        """Store a follow. Returns when it began, and whether it is new; repeating it changes nothing."""
        row = await self._pool.fetchrow(_FOLLOW, follower, followee)
        if row is None:
            # Another request inserted the row after our snapshot: now it is visible.
            row = await self._pool.fetchrow(_FOLLOW, follower, followee)
        assert row is not None
        since: datetime = row["created_at"]
        return since, row["is_new"]

    async def unfollow(self, follower: str, followee: str) -> None:
        """Delete a follow; repeating it changes nothing."""
        await self._pool.execute(
            "DELETE FROM presence.follows WHERE follower = $1::uuid AND followee = $2::uuid", follower, followee
        )

    async def set_block(self, change: BlockChanged) -> bool:
        """Store that a block began or ended. False when a newer version is stored."""
        row = await self._pool.fetchrow(_SET_BLOCK, change.blocker, change.blocked, change.active, change.version)
        return row is not None

    async def relationship(self, one: str, other: str) -> Relationship:
        """Return the relationship of two users."""
        row = await self._pool.fetchrow(_RELATIONSHIP, one, other)
        assert row is not None
        return Relationship(row["mutual"], frozenset(row["blockers"]))

    async def mutuals_of(self, user_ids: Iterable[str]) -> dict[str, Mutuals]:
        """Return user → mutual follows. Of a user with too many, those with the lowest ids."""
        mutuals = {user: Mutuals([], []) for user in user_ids}
        for user, friend, absent in await self._pool.fetch(_FRIENDS, list(mutuals), self.most_friends):
            (mutuals[user].absent if absent else mutuals[user].friends).append(friend)
        return mutuals

    async def friends_page(self, user_id: str, after: str | None, most: int) -> dict[str, bool]:
        """Return up to `most` mutual follows, in the order of ids after `after` → whether there is a block."""
        rows = await self._pool.fetch(_FRIENDS_PAGE, user_id, after, most)
        return {row["friend_id"]: row["absent"] for row in rows}

    async def set_all(self, changes: Collection[FollowChange]) -> set[tuple[str, str]]:
        """Store and delete many follows, each given once. Repeating it changes nothing. Returns the new ones."""
        columns = zip(*[(change.follower, change.followee, change.follows) for change in changes], strict=True)
        rows = await self._pool.fetch(_SET_FOLLOWS, *map(list, columns))
        return {(row["follower"], row["followee"]) for row in rows}

    async def mutual_pairs(self, pairs: Iterable[Sequence[str]]) -> list[tuple[str, str, bool]]:
        """Return the pairs of users who follow each other, and whether there is a block between them."""
        listed = list(pairs)
        rows = await self._pool.fetch(_RELATIONSHIPS, [one for one, _ in listed], [other for _, other in listed])
        return [(row["one"], row["other"], row["blocked"]) for row in rows]

    async def erase_follows(self, user_id: str, most: int) -> list[str]:
        """Delete up to `most` follows of and by the user. Returns the users on their other side."""
        return [row["other_id"] for row in await self._pool.fetch(_ERASE_FOLLOWS, user_id, most)]

    async def erase_blocks(self, user_id: str, most: int) -> list[str]:
        """Delete up to `most` blocks of and by the user. Returns the users on their other side."""
        return [row["other_id"] for row in await self._pool.fetch(_ERASE_BLOCKS, user_id, most)]

    async def export(self, user_id: str, after: Sequence[str | None], most: int) -> list[tuple[str, str, datetime]]:
        """Return up to `most` follows (follower, followee, since) of and by the user, in order, after the edge `after`."""
        return [tuple(row) for row in await self._pool.fetch(_EXPORT_FOLLOWS, user_id, *after, most)]
