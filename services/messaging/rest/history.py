"""Which messages a page of history holds. `seq` has no gaps, so a page is a range of numbers."""

from dataclasses import dataclass
from typing import Final, Self

from services.messaging.rest.schemas import HistoryQuery
from services.messaging.stores.conversations import Conversation
from services.messaging.stores.messages import Messages
from shared.protocol import limits
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Message
from shared.rest import decode_page, encode_page

_FORWARD: Final = "after"
_BACKWARD: Final = "before"
MESSAGES_AT_ONCE: Final = 25
"""Messages read by one statement: with the largest message they are below 1 MiB."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins and which way it goes: forward from `seq`, backward from it (None: the end), or around it."""

    forward: bool
    seq: int | None
    around: bool = False

    @classmethod
    def of(cls, query: HistoryQuery) -> Self:
        """From a request; a page goes on where it was given out, so a client may repeat its first query with it.

        Raises ProtocolError when several seqs are given, or the page wasn't given out by us.
        """
        given = [seq for seq in (query.afterSeq, query.beforeSeq, query.aroundSeq) if seq is not None]
        if len(given) > 1:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "give one of afterSeq, beforeSeq and aroundSeq")
        if query.page is not None:
            direction, _, seq = decode_page(query.page).partition(":")
            if direction not in {_FORWARD, _BACKWARD} or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
                raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: not a page of this list")
            return cls(direction == _FORWARD, int(seq))
        return cls(query.afterSeq is not None, given[0] if given else None, query.aroundSeq is not None)

    def seqs(self, cleared_seq: int, last_seq: int, limit: int) -> range:
        """The seqs of the page, ascending, of a conversation from behind `cleared_seq` to `last_seq`."""
        if self.around:
            begin = min((self.seq or 0) - limit // 2, last_seq - limit + 1)
            first = max(cleared_seq + 1, begin)
            return range(first, min(last_seq, first + limit - 1) + 1)
        if self.forward:
            first = max(self.seq or 0, cleared_seq) + 1
            return range(first, min(last_seq, first + limit - 1) + 1)
        end = last_seq + 1 if self.seq is None else min(self.seq, last_seq + 1)
        return range(max(cleared_seq + 1, end - limit), max(end, cleared_seq + 1))

    def next_page(self, seqs: range, cleared_seq: int, last_seq: int) -> str | None:
        """The page after `seqs` in the same direction, or None when there is none. A page around a message has none."""
        if not seqs or self.around:
            return None
        if self.forward:
            return encode_page(f"{_FORWARD}:{seqs[-1]}") if seqs[-1] < last_seq else None
        return encode_page(f"{_BACKWARD}:{seqs[0]}") if seqs[0] > cleared_seq + 1 else None


async def read_page(
    messages: Messages, user_id: str, conversation: Conversation, position: Position, limit: int
) -> tuple[list[Message], str | None]:
    """The messages of a page, and the next page. A page of large messages has fewer of them: bytes are bounded, too."""
    cleared_seq, last_seq = conversation.cleared_seq, conversation.last_seq
    while True:
        seqs = position.seqs(cleared_seq, last_seq, limit)
        found: list[Message] = []
        size = 0
        for first in range(0, len(seqs), MESSAGES_AT_ONCE):
            part = await messages.at(
                [(user_id, conversation.conversation_id, seq) for seq in seqs[first : first + MESSAGES_AT_ONCE]]
            )
            found += part
            size += len(json_encoder.encode(part))
            if size > limits.MAX_PAGE_BYTES:
                break
        if size <= limits.MAX_PAGE_BYTES or limit == 1:
            return found, position.next_page(seqs, cleared_seq, last_seq)
        limit = max(1, limit // 4)
