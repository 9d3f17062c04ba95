"""The outbox: events of a transaction, written within it, so that exactly what was committed is told.

The table is the webhooks service's; this is the one statement by which others add to it, as the directory is shared.
"""

from collections.abc import Sequence
from typing import Final

from shared.postgres import Lent, load_sql
from shared.protocol.webhooks import WebhookEvent

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

    async def write(self, connection: Lent, events: Sequence[WebhookEvent]) -> None:
        """Add `events`, in this order, to the transaction of `connection`. Raises what asyncpg raises."""
        if not self._endpoints or not events:
            return
        columns = zip(*[(e.type, e.order_key, e.seq, e.at_ms, e.data) for e in events], strict=True)
        await connection.execute(_WRITE, self._endpoints, *map(list, columns))

    async def scrub(self, connection: Lent, places: Sequence[tuple[str, int]]) -> None:
        """Take the content of messages that are deleted, at (conversation, seq), out of what still waits.

        Also where no endpoint is set now: events of one that was set before may wait. Raises what asyncpg raises.
        """
        if places:
            conversations, seqs = zip(*places, strict=True)
            await connection.execute(_SCRUB, list(conversations), list(seqs))
