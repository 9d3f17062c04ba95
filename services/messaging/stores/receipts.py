"""Receipts: the seqs up to which each user has read, and their devices have received, everything."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import asyncpg

from services.messaging.stores.sql import MARK, SEEN_AT
from services.messaging.stores.webhook_events import messages_read
from shared.postgres import Pool
from shared.protocol.limits import MAX_SAFE_INTEGER
from shared.protocol.webhooks import WebhookEvent
from shared.store_clock import StoreClock
from shared.webhooks import NO_WEBHOOKS, Outbox

LATE_MS: Final = 1_000
"""When a `message.read` without `seq` waited longer than this, it is limited to the messages that existed when it was sent."""
EVERYTHING: Final = MAX_SAFE_INTEGER
"""A seq above all others: reading up to it means reading everything."""


class Mark(NamedTuple):
    """A request to move a user's marks in a conversation; None leaves a mark where it is.

    `again`: it may have been carried out before without being announced.
    """

    conversation_id: str
    user_id: str
    read_to: int | None
    delivered_to: int | None
    again: bool = False


class Marked(NamedTuple):
    """The result of moving marks.

    `verdict`: marked, or the error code of a refusal; the other fields are valid for the first.

    `shows_read` and `shows_delivered`: a message of the other participant became read or delivered, and no block is in force.
    They are also set when the request is a repetition; then the times are those of the first move. `unmarked`: the
    conversation was marked as unread, and no longer is.
    """

    verdict: str
    read_seq: int
    read_at: datetime
    delivered_seq: int
    delivered_at: datetime
    unread: int
    version: int
    other_id: str
    shows_read: bool
    shows_delivered: bool
    unmarked: bool = False


class Receipts:
    """The marks of all conversations."""

    def __init__(self, pool: Pool, clock: StoreClock, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._clock = clock
        self._outbox = outbox

    def is_late(self, at_ms: int) -> bool:
        """Return whether a «read all» that was sent at `at_ms` (Unix ms; 0: unknown) is too old to cover later messages."""
        return 0 < at_ms < self._clock.now_ms() - LATE_MS

    async def seen_at(self, reads: Sequence[tuple[str, int]]) -> list[int]:
        """Return the seq of the last message that each conversation had at a time (Unix ms). Raises what asyncpg raises."""
        if not reads:
            return []
        conversations, times = zip(*reads, strict=True)
        at = [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms in times]
        return [seq for (seq,) in await self._pool.fetch(SEEN_AT, conversations, at)]

    async def mark(self, marks: Sequence[Mark]) -> list[Marked]:
        """Move marks forward, never back, at most to the last message. Returns the result of each, in order.

        No (conversation, user) may be in `marks` twice. Raises what asyncpg raises.
        """
        results: dict[int, Marked] = {}
        waiting = list(range(len(marks)))
        while waiting:
            tried = [marks[i] for i in waiting]
            columns = list(map(list, zip(*tried, strict=True)))
            rows = await self._outbox.fetch(self._pool, MARK, columns, partial(_events, tried))
            results.update(zip(waiting, (Marked(*row) for row in rows), strict=True))
            waiting = [i for i in waiting if results[i].verdict == "stale"]
        return [results[i] for i in range(len(marks))]


def _events(marks: Sequence[Mark], rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
    return [
        messages_read(mark.conversation_id, mark.user_id, row["read_seq"], row["read_at"])
        for mark, row in zip(marks, rows, strict=True)
        if row["verdict"] == "marked" and row["shows_read"]
    ]
