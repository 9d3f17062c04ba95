"""A page of history: which messages a client asks for, and their JSON. `seq` has no gaps, so a page is a range of numbers."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Self

from services.messaging.rest.schemas import HistoryQuery
from services.messaging.stores.history import History, Part, Way
from shared.protocol import limits
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Message
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
                raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage of this list")
            return cls(direction == _FORWARD, int(seq))
        return cls(query.afterSeq is not None, given[0] if given else None, query.aroundSeq is not None)

    @property
    def way(self) -> Way:
        """Return on which side of `seq` the page's messages are."""
        return "around" if self.around else "after" if self.forward else "before"

    def first_of(self, messages: Sequence[Message]) -> int:
        """Return the index of the message to take first if not all of them fit; those before it are taken backward."""
        if self.around and self.seq is not None and messages:
            return min(max(self.seq - messages[0].seq, 0), len(messages) - 1)
        return 0 if self.forward else len(messages)

    def next_page(self, seqs: range, cleared_seq: int, last_seq: int) -> str | None:
        """Return the token of the page after `seqs` in the same direction, or None. A page around a message has no next one."""
        if not seqs or self.around:
            return None
        if self.forward:
            return encode_page(f"{_FORWARD}:{seqs[-1]}") if seqs[-1] < last_seq else None
        return encode_page(f"{_BACKWARD}:{seqs[0]}") if seqs[0] > cleared_seq + 1 else None


class _Page:
    """Messages that follow one another (`seqs`), each encoded once, as long as their bytes fit. `full`: one didn't."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()
        self._size = 0
        self.seqs = range(0)
        self.full = False

    @property
    def items(self) -> Iterable[bytes]:
        """The JSON of each message."""
        return self._items

    def take(self, messages: Sequence[Message], first: int) -> None:
        """Take messages from the place `first` on, and those before it backward: one of each in turn."""
        ahead, behind = iter(messages[first:]), reversed(messages[:first])
        for following, previous in zip_longest(ahead, behind):
            if following is not None and self._fits(text := json_encoder.encode(following)):
                self._items.append(text)
                self.seqs = range(self.seqs.start if self.seqs else following.seq, following.seq + 1)
            if previous is not None and self._fits(text := json_encoder.encode(previous)):
                self._items.appendleft(text)
                self.seqs = range(previous.seq, self.seqs.stop if self.seqs else previous.seq + 1)
            if self.full:
                return

    def _fits(self, text: bytes) -> bool:
        """True when there is room for one more. The first one always has it, and none after one that had not."""
        self._size += len(text)
        self.full = self.full or (bool(self._items) and self._size > limits.MAX_PAGE_BYTES)
        return not self.full


async def read_page(
    history: History, user_id: str, conversation_id: str, position: Position, limit: int
) -> bytes | None:
    """Return a page as JSON; None when the user has no such conversation.

    A page of large messages has fewer of them, because its bytes are limited too. At most one statement reads beyond them.
    """
    seen = await history.page(user_id, conversation_id, position.way, position.seq, min(limit, MESSAGES_AT_ONCE))
    if seen is None:
        return None
    page = _Page()
    page.take(seen.messages, position.first_of(seen.messages))
    if not page.full and limit > len(seen.messages) == MESSAGES_AT_ONCE:
        ahead, behind = _missing(position, seen, limit)
        newer = await history.page(user_id, conversation_id, "after", seen.seqs[-1], ahead) if ahead else None
        older = await history.page(user_id, conversation_id, "before", seen.seqs[0], behind) if behind else None
        before = [] if older is None else older.messages
        page.take([*before, *([] if newer is None else newer.messages)], len(before))
    return page_of(page.items, position.next_page(page.seqs, seen.cleared_seq, seen.last_seq))


def _missing(position: Position, seen: Part, limit: int) -> tuple[int, int]:
    """Return how many messages of a page are still to be read: after those that were read, and before them."""
    left = limit - len(seen.messages)
    ahead, behind = min(left, seen.last_seq - seen.seqs[-1]), min(left, seen.seqs[0] - 1 - seen.cleared_seq)
    if position.around:
        # Half of them on each side, and more where the other one has fewer.
        ahead = min(ahead, max(left - left // 2, left - behind))
        return ahead, min(behind, left - ahead)
    return (ahead, 0) if position.forward else (0, behind)
