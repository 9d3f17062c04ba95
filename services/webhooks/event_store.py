"""The events that wait for one endpoint, in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from shared.postgres import Pool, load_sql

_WAITING: Final = load_sql("services.webhooks", "waiting")
_HELD: Final = load_sql("services.webhooks", "held")
_REFUSE: Final = load_sql("services.webhooks", "refuse")
_TRIM: Final = load_sql("services.webhooks", "trim")
_FIND: Final = "SELECT type, at, data FROM webhooks.events WHERE id = $1 AND dead_at IS NULL"
_DELETE: Final = "DELETE FROM webhooks.events WHERE id = ANY ($1::bigint[])"
_HOLD: Final = "UPDATE webhooks.events SET next_at = $2 WHERE id = ANY ($1::bigint[]) AND next_at IS NULL"
_BURY: Final = "UPDATE webhooks.events SET dead_at = now(), next_at = NULL, last_error = $2 WHERE id = $1"
_HELD_KEYS: Final = """
    SELECT DISTINCT ON (order_key) order_key, next_at FROM webhooks.events
    WHERE endpoint = $1 AND next_at IS NOT NULL AND dead_at IS NULL ORDER BY order_key, id
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits. `data` is a JSON object; `first_refused_at` is None when it was never refused."""

    id: int
    event_id: str
    order_key: str
    type: str
    at: datetime
    data: str
    first_refused_at: datetime | None
    attempts: int


class EventStore:
    """The rows of one endpoint. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, endpoint: str) -> None:
        self._pool = pool
        self._endpoint = endpoint

    async def waiting(self, busy: Collection[str], most: int) -> list[Waiting]:
        """The oldest that were never refused nor held back, without the order keys in `busy`."""
        return _events(await self._pool.fetch(_WAITING, self._endpoint, list(busy), most))

    async def held(self, order_key: str, most: int) -> list[Waiting]:
        """The oldest of an order key that waits behind a refused event, that one first."""
        return _events(await self._pool.fetch(_HELD, self._endpoint, order_key, most))

    async def held_keys(self) -> dict[str, datetime]:
        """Order key → when its first event is posted again."""
        return {row["order_key"]: row["next_at"] for row in await self._pool.fetch(_HELD_KEYS, self._endpoint)}

    async def find(self, event_id: int) -> tuple[str, datetime, str] | None:
        """Type, time and data of an event as it stands now; None when somebody dropped it."""
        row = await self._pool.fetchrow(_FIND, event_id)
        return None if row is None else (row["type"], row["at"], row["data"])

    async def hold(self, ids: Sequence[int], until: datetime) -> None:
        """These wait behind a refused event of their order key."""
        await self._pool.execute(_HOLD, ids, until)

    async def refuse(self, event_id: int, until: datetime, reason: str) -> None:
        """The event was refused, and is to be posted again at `until`."""
        await self._pool.execute(_REFUSE, event_id, until, reason)

    async def bury(self, event_id: int, reason: str) -> None:
        """Make the event a dead letter."""
        await self._pool.execute(_BURY, event_id, reason)

    async def delete(self, ids: Sequence[int]) -> None:
        """These were taken."""
        await self._pool.execute(_DELETE, ids)

    async def trim(self, most: int, *, dead: bool) -> int:
        """Drop the oldest beyond `most`, of the dead letters or of the others. Returns how many."""
        return int((await self._pool.execute(_TRIM, self._endpoint, most, dead)).rpartition(" ")[2])


def _events(rows: Sequence[asyncpg.Record]) -> list[Waiting]:
    return [Waiting(*row) for row in rows]
