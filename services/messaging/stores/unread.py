"""Unread counts: PostgreSQL has the truth. Redis has a copy, guarded by versions and rebuilt when it is missing."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.messaging import metrics
from services.messaging.stores.sql import UNREAD, UNREAD_SUMMARY
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Shards

_REBUILD: Final = Script("services.messaging.stores", "unread")
_CLEAR: Final = Script("services.messaging.stores", "clear_unread")
TOTAL: Final = "total"
PAGE: Final = 1_000
"""Conversations in one call of the script."""
MAX_COUNTS: Final = 1_000
"""Conversations in one answer with unread counts."""


class Difference(NamedTuple):
    """A count that isn't the same in both places. `name` is a conversation, or `total`; None: Redis doesn't have it."""

    name: str
    redis: int | None
    postgres: int


class _Known(NamedTuple):
    conversation_id: str
    unread: int
    version: int


class UnreadCounts:
    """The unread messages of users."""

    def __init__(self, pool: Pool, shards: Shards) -> None:
        self._pool = pool
        self._shards = shards

    async def rebuild(self, user_ids: Sequence[str], *, force: bool = False) -> None:
        """Put the users' counts into Redis. Counts there of a newer version stay, unless `force` is given.

        Raises what asyncpg and redis raise.
        """
        for user_id, known in (await self._known(user_ids)).items():
            await self._write(user_id, known, force=force)
        metrics.REBUILT.inc(len(user_ids))

    async def _write(self, user_id: str, known: Sequence[_Known], *, force: bool) -> None:
        """Write a user's counts, a page at a time: a user with very many conversations must not stop a Redis server."""
        shard, total = self._shards.of(user_id), 0
        for first in range(0, max(1, len(known)), PAGE):
            flat = msgpack_encoder.encode([value for count in known[first : first + PAGE] for value in count])
            total = await _REBUILD(shard, user_id, flat, int(force), total, int(first + PAGE >= len(known)))
            if total < 0:
                return

    async def of(self, user_id: str) -> dict[str, int]:
        """Conversation → unread messages, of the user's conversations that have any, from PostgreSQL."""
        known = (await self._known([user_id]))[user_id]
        return {count.conversation_id: count.unread for count in known if count.unread}

    async def summary(self, user_id: str, most: int = MAX_COUNTS) -> tuple[int, dict[str, int]]:
        """All unread messages, and conversation → unread messages of the `most` newest conversations that have any."""
        rows = await self._pool.fetch(UNREAD_SUMMARY, user_id, most)
        return rows[0]["total"], {row["id"]: row["unread"] for row in rows if row["id"] is not None}

    async def clear(self, user_id: str, conversation_id: str, version: int) -> None:
        """The user has no unread messages in a conversation, by PostgreSQL's count of this version. Raises what redis raises."""
        await _CLEAR(self._shards.of(user_id), user_id, conversation_id, version)

    async def compare(self, user_id: str) -> list[Difference]:
        """Where Redis and PostgreSQL differ. While messages are under way they may, for a moment.

        A user whose total isn't in Redis has no copy there, and so none that is wrong.
        """
        known = (await self._known([user_id]))[user_id]
        shard = self._shards.of(user_id)
        names = [shard.key(keys.UNREAD_TOTAL, user_id)]
        names += [shard.key(keys.UNREAD_CONVERSATION, user_id, count.conversation_id) for count in known]
        total, *counts = [None if value is None else int(value) for value in await shard.client.mget(names)]
        if total is None:
            return []
        found = [
            Difference(count.conversation_id, there, count.unread)
            for count, there in zip(known, counts, strict=True)
            if (there or 0) != count.unread
        ]
        real = sum(count.unread for count in known)
        return found if total == real else [*found, Difference(TOTAL, total, real)]

    async def _known(self, user_ids: Sequence[str]) -> dict[str, list[_Known]]:
        known: dict[str, list[_Known]] = {user_id: [] for user_id in user_ids}
        for user_id, *count in await self._pool.fetch(UNREAD, list(user_ids)):
            known[user_id].append(_Known(*count))
        return known
