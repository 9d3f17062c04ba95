"""Unread counts: PostgreSQL is the source of truth. Redis has a copy with versions, which is rebuilt when it is missing."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.messaging import metrics
from services.messaging.stores.sql import UNREAD, UNREAD_PART, UNREAD_SUMMARY
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions, Script

_WRITE: Final = Script("services.messaging.stores", "unread")
_BEGIN: Final = Script("services.messaging.stores", "begin_unread")
_CLEAR: Final = Script("services.messaging.stores", "rebuilding", "clear_unread")
TOTAL: Final = "total"
PART: Final = 100
"""Conversations in one call of a script, which takes a Redis server 1 to 2 ms. A user with more is rebuilt in parts."""
READ: Final = 20 * PART
"""Conversations in one query, while counts are rebuilt in parts."""
PAUSE_SECONDS: Final = 0.01
"""Pause between parts, so that a rebuild uses at most a sixth of a Redis server."""
FIRST: Final = "00000000-0000-0000-0000-000000000000"
"""Sorts before all conversation ids."""
MAX_COUNTS: Final = 1_000
"""Conversations in one answer with unread counts."""


class Difference(NamedTuple):
    """A count that differs between PostgreSQL and Redis. `name` is a conversation, or `total`; None: Redis doesn't have it."""

    name: str
    redis: int | None
    postgres: int


class _Known(NamedTuple):
    conversation_id: str
    unread: int
    version: int


class UnreadCounts:
    """The unread messages of users."""

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        self._pool = pool
        self._partitions = partitions

    async def rebuild(self, user_ids: Sequence[str], *, force: bool = False) -> None:
        """Copy the users' counts to Redis. Counts with a newer version there stay, unless `force` is given.

        The counts of a user with many conversations are copied in parts with pauses, so that Redis isn't blocked. Raises what
        asyncpg and redis raise.
        """
        for user_id, known in (await self._known(user_ids, PART + 1)).items():
            if len(known) > PART:
                await self._rebuild_in_parts(user_id, force=force)
            else:
                await self._write(user_id, known, force=force)
        metrics.REBUILT.inc(len(user_ids))

    async def rebuild_or_total(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Copy the counts of users with few conversations to Redis, and return the totals of the others.

        It needs one query, and for each user either one more query or one short script. Raises what asyncpg and redis raise.
        """
        totals: dict[str, int] = {}
        for user_id, known in (await self._known(user_ids, PART + 1)).items():
            if len(known) > PART:
                totals[user_id], _ = await self.summary(user_id, 0)
            else:
                await self._write(user_id, known)
                metrics.REBUILT.inc()
        return totals

    async def _rebuild_in_parts(self, user_id: str, *, force: bool) -> None:
        """Rebuild a user's counts, unless another replica does. Deliveries meanwhile report their changes to the rebuild."""
        name, after = uuid.uuid4().hex, FIRST
        if not await _BEGIN(self._partitions.of(user_id), user_id, name, int(force)):
            return
        while True:
            rows = await self._pool.fetch(UNREAD_PART, user_id, after, READ + 1)
            known = [_Known(*row) for row in rows[:READ]]
            for first in range(0, max(1, len(known)), PART):
                part = known[first : first + PART]
                ended = len(rows) <= READ and first + PART >= len(known)
                last = "" if ended else part[-1].conversation_id
                if not await self._write(user_id, part, force=force, name=name, after=after, last=last) or ended:
                    return
                after = last
                await asyncio.sleep(PAUSE_SECONDS)

    async def _write(
        self,
        user_id: str,
        known: Sequence[_Known],
        *,
        force: bool = False,
        name: str = "",
        after: str = "",
        last: str = "",
    ) -> bool:
        """Write a part of a user's counts. False when the rebuild has become unnecessary (`lua/unread.lua`)."""
        flat = msgpack_encoder.encode([value for count in known for value in count])
        return bool(await _WRITE(self._partitions.of(user_id), user_id, flat, int(force), name, after, last))

    async def of(self, user_id: str) -> dict[str, int]:
        """Return conversation → unread messages, from PostgreSQL, for conversations that have any."""
        known = (await self._known([user_id]))[user_id]
        return {count.conversation_id: count.unread for count in known if count.unread}

    async def summary(self, user_id: str, most: int = MAX_COUNTS) -> tuple[int, dict[str, int]]:
        """Return the number of all unread messages, and conversation → unread messages for the `most` newest that have any."""
        rows = await self._pool.fetch(UNREAD_SUMMARY, user_id, most)
        return rows[0]["total"], {row["id"]: row["unread"] for row in rows if row["id"] is not None}

    async def clear(self, user_id: str, conversation_id: str, version: int) -> None:
        """Set the count of a conversation to 0 in Redis, with PostgreSQL's version of the count. Raises what redis raises."""
        await _CLEAR(self._partitions.of(user_id), user_id, conversation_id, version)

    async def compare(self, user_id: str) -> list[Difference]:
        """Return where Redis and PostgreSQL differ.

        They may differ for a moment while messages are under way. A user without a total in Redis has no copy there, and so
        no difference.
        """
        known = (await self._known([user_id]))[user_id]
        partition = self._partitions.of(user_id)
        names = [partition.key(keys.UNREAD_TOTAL, user_id)]
        names += [partition.key(keys.UNREAD_CONVERSATION, user_id, count.conversation_id) for count in known]
        values = [
            value
            for first in range(0, len(names), READ)
            for value in await partition.client.mget(names[first : first + READ])
        ]
        total, *counts = [None if value is None else int(value) for value in values]
        if total is None:
            return []
        found = [
            Difference(count.conversation_id, there, count.unread)
            for count, there in zip(known, counts, strict=True)
            if (there or 0) != count.unread
        ]
        real = sum(count.unread for count in known)
        return found if total == real else [*found, Difference(TOTAL, total, real)]

    async def _known(self, user_ids: Sequence[str], most: int | None = None) -> dict[str, list[_Known]]:
        """Return the counts of users, of at most `most` conversations each."""
        known: dict[str, list[_Known]] = {user_id: [] for user_id in user_ids}
        for user_id, *count in await self._pool.fetch(UNREAD, list(user_ids), most):
            known[user_id].append(_Known(*count))
        return known
