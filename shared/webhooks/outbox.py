"""The outbox: events are written in the transaction of the change, so that exactly the committed changes are posted.

The table belongs to the webhooks service. Other services add to it only through this module.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from shared.postgres import Pool, load_sql
from shared.protocol.webhooks import WebhookEvent

Executor: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection, opened directly or acquired from a pool."""

_WRITE: Final = load_sql("shared.webhooks", "write_events")
_SCRUB: Final = load_sql("shared.webhooks", "scrub_events")


class Outbox:
    """Writes events for each endpoint. Without endpoints it writes nothing, and callers needn't make events."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = list(endpoints)

    @property
    def enabled(self) -> bool:
        """Return False when there are no endpoints."""
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
        """Run a statement that changes something, and write the `events` of its rows in the same transaction. Returns the rows.

        `on`: a pool, or a connection whose transaction the caller holds. Without endpoints it runs only the statement, in one
        round trip. `gone`: returns the (conversation, seq) of messages that the rows deleted (for `scrub`). Raises what asyncpg
        raises.
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
        """Remove the content of deleted messages, given by (conversation, seq), from waiting events.

        Raises what asyncpg raises.
        """
        if places:
            conversations, seqs = zip(*places, strict=True)
            await connection.execute(_SCRUB, list(conversations), list(seqs))


NO_WEBHOOKS: Final = Outbox([])
"""The outbox without endpoints."""
