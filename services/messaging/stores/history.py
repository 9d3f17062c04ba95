"""Pages of history, each read by one statement."""

from bisect import bisect_left
from typing import Final, Literal, NamedTuple

import asyncpg
import msgspec

from services.messaging.stores.message_rows import NO_RECEIPT, Profile, Receipt, message_of
from services.messaging.stores.sql import HISTORY
from shared.postgres import KeptConnections, Pool
from shared.protocol.codec import instant_of_ms
from shared.protocol.payloads import Message
from shared.uploads import UploadSigner

Way = Literal["after", "before", "around"]


class Mark(msgspec.Struct, array_like=True):
    """A mark, set at `at_ms` (Unix ms): up to `seq` the participant has read, or its devices have received, everything."""

    is_low: bool
    read: bool
    seq: int
    at_ms: int


class Head(msgspec.Struct, array_like=True):
    """Common data of a page: its seqs (`first` to `last`), those of the conversation, and the participants."""

    first: int
    last: int
    cleared_seq: int
    last_seq: int
    user_low: str
    user_high: str
    low: Profile | None
    high: Profile | None
    marks: list[Mark] | None


class Part(NamedTuple):
    """The messages of a page, their `seqs`, and where it lies in the conversation. Messages up to `cleared_seq` are hidden."""

    messages: list[Message]
    seqs: range
    cleared_seq: int
    last_seq: int


AT_ONCE: Final = 2
"""Connections that are kept for pages."""
_head_decoder: Final = msgspec.json.Decoder(Head)
_Line = tuple[list[int], list[str]]


class History:
    """The histories of all conversations. Raises what asyncpg raises."""

    def __init__(self, pool: Pool, signer: UploadSigner | None = None) -> None:
        self._connections = KeptConnections(pool, AT_ONCE)
        self._signer = signer

    async def page(self, user_id: str, conversation_id: str, way: Way, seq: int | None, limit: int) -> Part | None:
        """Return a page of `limit` messages; None when there is no such conversation.

        `way`: the page holds the messages after `seq`, before it (None: the newest ones), or around it.
        """
        rows = await self._connections.fetch(HISTORY, user_id, conversation_id, way, seq, limit)
        if not rows:
            return None
        head = _head_decoder.decode(rows[0]["head"])
        reader = _Reader(user_id, conversation_id, head, self._signer)
        messages = [] if rows[0]["seq"] is None else [reader.message(row) for row in rows]
        return Part(messages, range(head.first, head.last + 1), head.cleared_seq, head.last_seq)


class _Reader:
    """Converts the rows of one page to messages."""

    def __init__(self, user_id: str, conversation_id: str, head: Head, signer: UploadSigner | None) -> None:
        self._user_id = user_id
        self._conversation_id = conversation_id
        self._others = {head.user_low: head.user_high, head.user_high: head.user_low}
        self._senders = {profile.id: profile.sender() for profile in (head.low, head.high) if profile is not None}
        self._marks: dict[tuple[str, bool], _Line] = {}
        for mark in head.marks or ():
            user = head.user_low if mark.is_low else head.user_high
            seqs, times = self._marks.setdefault((user, mark.read), ([], []))
            seqs.append(mark.seq)
            times.append(instant_of_ms(mark.at_ms))
        self._signer = signer

    def message(self, row: asyncpg.Record) -> Message:
        """Return the message of a row."""
        _, *columns = row
        seq, sender_id = columns[0], columns[2]
        receipt = NO_RECEIPT
        if self._marks:
            # Both participants receive a system message, and each sees its own marks.
            receiver = self._others.get(sender_id, self._user_id)
            receipt = Receipt(self._at(receiver, True, seq), self._at(receiver, False, seq))
        return message_of(columns, self._conversation_id, self._senders, receipt, self._signer)

    def _at(self, receiver: str, read: bool, seq: int) -> str | None:
        """Return when the first mark at or after `seq` was set. Times in UTC sort as texts."""
        line = self._marks.get((receiver, read))
        if line is None:
            return None
        place = bisect_left(line[0], seq)
        return line[1][place] if place < len(line[1]) else None
