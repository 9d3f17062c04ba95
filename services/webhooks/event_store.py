"""The events that wait for one endpoint, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import asyncpg

from shared.postgres import Pool, load_sql
from shared.retry import retry_until_available

_WAITING: Final = load_sql("services.webhooks", "waiting")
_DELAYED: Final = load_sql("services.webhooks", "delayed")
_DELAYED_KEYS: Final = load_sql("services.webhooks", "delayed_keys")
_DELAY: Final = load_sql("services.webhooks", "delay")
_SCHEDULE_RETRY: Final = load_sql("services.webhooks", "schedule_retry")
_TRIM: Final = load_sql("services.webhooks", "trim")
_FIND: Final = "SELECT type, at, data FROM webhooks.events WHERE id = $1 AND dead_at IS NULL"
_WORK: Final = "webhook outbox"
"""The name of these statements in logs and metrics of retries."""
_DELETE: Final = "DELETE FROM webhooks.events WHERE id = ANY ($1::bigint[])"
_DEAD_LETTER: Final = "UPDATE webhooks.events SET dead_at = now(), next_at = NULL, last_error = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A waiting event. `data` is a JSON object; `first_refused_at` is None when it was never refused."""

    id: int
    event_id: str
    order_key: str
    type: str
    at: datetime
    data: str
    first_refused_at: datetime | None
    attempts: int


class EventStore:
    """The rows of one endpoint. Every method waits while PostgreSQL is away, and raises its other errors."""

    def __init__(self, pool: Pool, endpoint: str) -> None:
        self._pool = pool
        self._endpoint = endpoint

    async def waiting(self, without: Sequence[str], most: int) -> list[WaitingEvent]:
        """Return the oldest events that were never refused or delayed, without those of some order keys."""
        return _events(await self._fetch(_WAITING, self._endpoint, without, most))

    async def delayed(self, order_key: str, most: int) -> list[WaitingEvent]:
        """Return the oldest events of a delayed order key, beginning with the refused one."""
        return _events(await self._fetch(_DELAYED, self._endpoint, order_key, most))

    async def delayed_keys(self) -> dict[str, datetime]:
        """Return order key → when its refused event is retried."""
        return {row["order_key"]: row["next_at"] for row in await self._fetch(_DELAYED_KEYS, self._endpoint)}

    async def find(self, event_id: int) -> tuple[str, datetime, str] | None:
        """Return the current type, time and data of an event; None when it was dropped."""
        rows = await self._fetch(_FIND, event_id)
        return (rows[0]["type"], rows[0]["at"], rows[0]["data"]) if rows else None

    async def delay(self, retry_at: Mapping[int, datetime]) -> None:
        """Delay events, by id, until the refused one of their order key is retried."""
        if retry_at:
            await self._execute(_DELAY, list(retry_at), list(retry_at.values()))

    async def schedule_retry(self, event_id: int, retry_at: datetime, reason: str) -> None:
        """Store that the event was refused, and is retried at `retry_at`: the column `next_at`."""
        await self._execute(_SCHEDULE_RETRY, event_id, retry_at, reason)

    async def dead_letter(self, event_id: int, reason: str) -> None:
        """Make the event a dead letter."""
        await self._execute(_DEAD_LETTER, event_id, reason)

    async def delete(self, ids: Sequence[int]) -> None:
        """Delete accepted events."""
        await self._execute(_DELETE, ids)

    async def trim(self, most: int, *, dead: bool) -> int:
        """Drop the oldest events above `most`, of the dead letters or of the others. Returns how many."""
        return int((await self._execute(_TRIM, self._endpoint, most, dead)).rpartition(" ")[2])

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await retry_until_available(_WORK, partial(self._pool.fetch, statement, *arguments))

    async def _execute(self, statement: str, *arguments: object) -> str:
        return await retry_until_available(_WORK, partial(self._pool.execute, statement, *arguments))


def _events(rows: Sequence[asyncpg.Record]) -> list[WaitingEvent]:
    return [WaitingEvent(*row) for row in rows]
