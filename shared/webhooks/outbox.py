"""The outbox: events of a transaction, written within it, so that exactly what was committed is told.

The table is the webhooks service's; this is the one statement by which others add to it, as the directory is shared.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from shared.postgres import Pool, load_sql
from shared.protocol.webhooks import WebhookEvent

Executor: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection of one's own, or one that a pool has lent."""

_WRITE: Final = load_sql("shared.webhooks", "write_events")
_SCRUB: Final = load_sql("shared.webhooks", "scrub_events")


class Outbox:
    """Writes events for each of the endpoints. Without any it writes nothing, and callers need not even make events."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = list(endpoints)

    @property
    def enabled(self) -> bool:
        """False when nobody wants to be told anything."""
        return bool(self._endpoints)

    async def write(self, connection: Executor, events: Sequence[WebhookEvent]) -> None:
        """Add `events`, in this order, to the transaction of `connection`. Raises what asyncpg raises."""
        if not self._endpoints or not events:
            return
        columns = zip(*[(e.type, e.order_key, e.seq, e.at_ms, e.data) for e in events], strict=True)
        await connection.execute(_WRITE, self._endpoints, *map(list, columns))

    async def fetch(
        self,
        on: "Pool | Executor",
        statement: str,
        arguments: Sequence[Any],
        events: Callable[[Sequence[asyncpg.Record]], Sequence[WebhookEvent]],
        gone: Callable[[Sequence[asyncpg.Record]], Sequence[tuple[str, int]]] | None = None,
    ) -> list[asyncpg.Record]:
        """The rows of a statement that changes something, with the `events` of those rows in the same transaction.

        `on`: a pool, or a connection whose transaction the caller holds. Where nobody wants to be told, it is the statement
        alone, in one round trip. `gone`: places of messages that the rows say are deleted (`scrub`). Raises what asyncpg raises.
        """
        if not self._endpoints:
            return await on.fetch(statement, *arguments)
        if isinstance(on, asyncpg.Pool):
            async with on.acquire() as connection, connection.transaction():
                return await self.fetch(connection, statement, arguments, events, gone)
        rows = await on.fetch(statement, *arguments)
        if gone is not None:
            await self.scrub(on, gone(rows))
        await self.write(on, events(rows))
        return rows

    async def scrub(self, connection: Executor, places: Sequence[tuple[str, int]]) -> None:
        """Take the content of messages that are deleted, at (conversation, seq), out of what still waits.

        Raises what asyncpg raises.
        """
        if places:
            conversations, seqs = zip(*places, strict=True)
            await connection.execute(_SCRUB, list(conversations), list(seqs))


NO_WEBHOOKS: Final = Outbox([])
"""For whoever runs without endpoints."""
