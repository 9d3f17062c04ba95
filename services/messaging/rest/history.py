"""A page of history: which messages a client asks for, and their JSON. `seq` has no gaps, so a page is a range of numbers."""

from dataclasses import dataclass
from typing import Final, Self

from services.messaging.rest.schemas import HistoryQuery
from services.messaging.stores.history import History, Way
from shared.protocol import limits
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import decode_page, encode_page
from shared.rest.json import page_of

_FORWARD: Final = "after"
_BACKWARD: Final = "before"
MESSAGES_AT_ONCE: Final = 50
"""Most messages in one statement: even with the largest messages, the result is below 2 MiB."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins and which way it goes: forward from `seq`, backward from it (None: the end), or around it."""

    forward: bool
    seq: int | None
    around: bool = False

    @classmethod
    def of(cls, query: HistoryQuery) -> Self:
        """Return the position of a request.

        A page token overrides the other parameters, so a client may repeat its first query with it. Raises ProtocolError when
        several seqs are given, or the page token isn't ours.
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

    @property
    def way(self) -> Way:
        """Return on which side of `seq` the page's messages are."""
        return "around" if self.around else "after" if self.forward else "before"

    def next_page(self, seqs: range, cleared_seq: int, last_seq: int) -> str | None:
        """Return the token of the page after `seqs` in the same direction, or None. A page around a message has no next one."""
        if not seqs or self.around:
            return None
        if self.forward:
            return encode_page(f"{_FORWARD}:{seqs[-1]}") if seqs[-1] < last_seq else None
        return encode_page(f"{_BACKWARD}:{seqs[0]}") if seqs[0] > cleared_seq + 1 else None


async def read_page(
    history: History, user_id: str, conversation_id: str, position: Position, limit: int
) -> bytes | None:
    """Return a page as JSON; None when the user has no such conversation.

    A page of large messages has fewer of them, because its bytes are limited too.
    """
    while True:
        seen = await history.page(
            user_id, conversation_id, position.way, position.seq, limit, most=min(limit, MESSAGES_AT_ONCE)
        )
        if seen is None:
            return None
        parts = [json_encoder.encode(seen.messages)] if seen.messages else []
        if limit > MESSAGES_AT_ONCE and seen.seqs and seen.messages and _size(parts) <= limits.MAX_PAGE_BYTES:
            left = seen.seqs[-1] - seen.messages[-1].seq
            more = await history.page(user_id, conversation_id, "after", seen.messages[-1].seq, left, most=left)
            if left and more is not None and more.messages:
                parts.append(json_encoder.encode(more.messages))
        if _size(parts) <= limits.MAX_PAGE_BYTES or limit == 1:
            return page_of(parts, position.next_page(seen.seqs, seen.cleared_seq, seen.last_seq))
        limit = max(1, limit // 4)


def _size(parts: list[bytes]) -> int:
    return sum(map(len, parts))
