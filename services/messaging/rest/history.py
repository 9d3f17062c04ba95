"""Which messages a page of history holds. `seq` has no gaps, so a page is a range of numbers."""

from dataclasses import dataclass
from typing import Self

from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import decode_page, encode_page

_FORWARD = "after"
_BACKWARD = "before"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins and which way it goes: forward from behind `seq`, or backward from before it (None: the end)."""

    forward: bool
    seq: int | None

    @classmethod
    def of(cls, after_seq: int | None, before_seq: int | None, page: str | None) -> Self:
        """From a request; a page goes on where it was given out, so a client may repeat its first query with it.

        Raises ProtocolError when both seqs are given, or the page wasn't given out by us.
        """
        if after_seq is not None and before_seq is not None:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "give afterSeq or beforeSeq, and not both")
        if page is not None:
            direction, _, seq = decode_page(page).partition(":")
            if direction not in {_FORWARD, _BACKWARD} or not (seq.isascii() and seq.isdigit()):
                raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: not a page of this list")
            return cls(direction == _FORWARD, int(seq))
        return cls(after_seq is not None, before_seq if after_seq is None else after_seq)

    def seqs(self, last_seq: int, limit: int) -> range:
        """The seqs of the page, ascending, in a conversation that ends at `last_seq`."""
        if self.forward:
            first = (self.seq or 0) + 1
            return range(first, min(last_seq, first + limit - 1) + 1)
        end = last_seq + 1 if self.seq is None else min(self.seq, last_seq + 1)
        return range(max(1, end - limit), end)

    def next_page(self, seqs: range, last_seq: int) -> str | None:
        """The page after `seqs` in the same direction, or None when there is none."""
        if not seqs:
            return None
        if self.forward:
            return encode_page(f"{_FORWARD}:{seqs[-1]}") if seqs[-1] < last_seq else None
        return encode_page(f"{_BACKWARD}:{seqs[0]}") if seqs[0] > 1 else None
