"""WebSocket frames (RFC 6455, section 5.2): cutting a byte stream of clients into them, and framing what we send."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from shared.protocol import relay

FINAL_TEXT: Final = 0x81
"""First byte of an unfragmented text frame without extensions."""
OPCODE_BITS: Final = 0x0F
CLOSE: Final = 0x8
UNFRAMED: Final = -1
"""Stands for the first byte of a chunk that is no frame: the peer broke the protocol, and the parser will say how."""

_MASKED: Final = 0x80
_SHORT_HEADERS: Final = tuple(bytes((FINAL_TEXT, length)) for length in range(126))
_LONG: Final = b"\x81\x7e"
_LONGEST: Final = b"\x81\x7f"

Piece = tuple[int, bytes, int]
"""First byte, the whole frame, and where its payload begins; the four bytes before that are the mask."""


def text_frame(payload: bytes) -> bytes:
    """`payload` (UTF-8) as one frame of a server, which isn't masked."""
    length = len(payload)
    if length < 126:
        return _SHORT_HEADERS[length] + payload
    if length < 65_536:
        return _LONG + length.to_bytes(2, "big") + payload
    return _LONGEST + length.to_bytes(8, "big") + payload


class Burst(NamedTuple):
    """Consecutive events of one user, their events as JSON, and as frames for all of the user's connections; never empty."""

    events: Sequence[relay.DurableEvent]
    texts: list[bytes]
    frames: list[bytes]

    @classmethod
    def framed(cls, events: Sequence[relay.DurableEvent]) -> Self:
        """Frame `events` once."""
        texts = [event.json.encode() for event in events]
        return cls(events, texts, list(map(text_frame, texts)))


class FrameSplitter:
    """Cuts what arrives into whole client frames. It looks at lengths only: what a frame means is for the parser.

    A frame that is longer than `max_bytes` or not masked is not waited for: it and all that follows passes through as
    unframed chunks, so that the parser refuses it at once.
    """

    __slots__ = ("_max_bytes", "_needed", "_partial", "_passing")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial: bytearray | None = None
        self._needed = 0
        self._passing = False

    def feed(self, data: bytes) -> list[Piece]:
        """The frames that `data` completes, in order."""
        if self._passing:
            return [(UNFRAMED, data, 0)]
        if self._partial is not None:
            # Bytes are only collected until the frame is whole: one-byte segments must not cost a copy each.
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            data = bytes(self._partial)
            self._partial = None
        return self._cut(data)

    def _cut(self, data: bytes) -> list[Piece]:
        pieces: list[Piece] = []
        position, end = 0, len(data)
        while position < end:
            start, stop = self._measure(data, position, end)
            if stop == UNFRAMED:
                self._passing = True
                pieces.append((UNFRAMED, data[position:], 0))
                return pieces
            if stop > end:
                self._partial = bytearray(data[position:])
                self._needed = stop - position
                return pieces
            pieces.append((data[position], data[position:stop], start - position))
            position = stop
        return pieces

    def _measure(self, data: bytes, position: int, end: int) -> tuple[int, int]:
        """Where the payload of the frame at `position` starts and stops; without a whole header, how far that goes."""
        if end - position < 2:
            return 0, position + 2
        second = data[position + 1]
        if not second & _MASKED:
            return 0, UNFRAMED
        length, start = second & 0x7F, position + 6
        if length >= 126:
            extra = 2 if length == 126 else 8
            if end - position < 2 + extra:
                return 0, position + 2 + extra
            length = int.from_bytes(data[position + 2 : position + 2 + extra], "big")
            start += extra
        if length > self._max_bytes:
            return 0, UNFRAMED
        return start, start + length
