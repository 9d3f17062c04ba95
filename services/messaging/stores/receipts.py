"""Receipts: how far each user has read, and how far their devices have everything."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.messaging.stores.sql import MARK
from shared.postgres import Pool
from shared.protocol.limits import MAX_SAFE_INTEGER

EVERYTHING: Final = MAX_SAFE_INTEGER
"""A seq beyond any: reading up to it is reading all there is."""


class Mark(NamedTuple):
    """A request to move a user's marks in a conversation; None leaves one where it is.

    `again`: it may have been carried out before without being announced.
    """

    conversation_id: str
    user_id: str
    read_to: int | None
    delivered_to: int | None
    again: bool = False


class Marked(NamedTuple):
    """Where the marks stand now.

    `verdict`: marked, or the error code of a refusal; the fields after it count for the first.

    `shows_read` and `shows_delivered`: something of the other participant's became read, delivered, and no block stands.
    The same holds when the request is repeated and the mark already stood there: then the times are those of that move.
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


class Receipts:
    """The marks of all conversations."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def mark(self, marks: Sequence[Mark]) -> list[Marked]:
        """Move marks forward, never back, at most to the last message; says of each, in order, where it stands.

        No (conversation, user) may be in `marks` twice. Raises what asyncpg raises.
        """
        results: dict[int, Marked] = {}
        waiting = list(range(len(marks)))
        while waiting:
            rows = await self._pool.fetch(MARK, *map(list, zip(*(marks[i] for i in waiting), strict=True)))
            results.update(zip(waiting, (Marked(*row) for row in rows), strict=True))
            waiting = [i for i in waiting if results[i].verdict == "stale"]
        return [results[i] for i in range(len(marks))]
