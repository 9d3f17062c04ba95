"""WebSocket frames (RFC 6455, section 5.2): cuts clients' byte streams into frames, and frames what we send."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from shared.protocol import relay
from shared.protocol.inbox import event_json

FINAL_TEXT: Final = 0x81
"""First byte of an unfragmented text frame without extensions."""
OPCODE_BITS: Final = 0x0F
CLOSE: Final = 0x8
UNFRAMED: Final = -1
"""Replaces the first byte for a chunk that isn't a frame: the peer broke the protocol, and the parser will find the error."""

_MASKED: Final = 0x80
_SHORT_HEADERS: Final = tuple(bytes((FINAL_TEXT, length)) for length in range(126))
_LONG: Final = b"\x81\x7e"
_LONGEST: Final = b"\x81\x7f"

Piece = tuple[int, bytes, int]
"""(first byte, the whole frame, offset of its payload). The four bytes before the payload are the mask."""


def text_frame(payload: bytes) -> bytes:
    """Return `payload` (UTF-8) as one unmasked text frame of a server."""
    length = len(payload)
    if length < 126:
        return _SHORT_HEADERS[length] + payload
    if length < 65_536:
        return _LONG + length.to_bytes(2, "big") + payload
    return _LONGEST + length.to_bytes(8, "big") + payload


class Burst(NamedTuple):
    """Consecutive events of one user: as decoded, as JSON, and as frames for all the user's connections. Never empty."""

    events: Sequence[relay.DurableEvent]
    texts: list[bytes]
    frames: list[bytes]

    @classmethod
    def framed(cls, events: Sequence[relay.DurableEvent]) -> Self:
        """Return `events` with their frames."""
        texts = [event_json(e.text, e.total, f"{e.offset}-{e.tag}").encode() for e in events]
        return cls(events, texts, list(map(text_frame, texts)))


class FrameSplitter:
    """Cuts received bytes into whole client frames. It looks only at lengths; the parser decides what a frame means.

    It doesn't wait for the rest of a frame that is longer than `max_bytes`, or not masked. Such a frame, and everything after it,
    passes through in unframed chunks, so that the parser refuses it at once.
    """

    __slots__ = ("_max_bytes", "_needed", "_partial", "_passing")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial: bytearray | None = None
        self._needed = 0
        self._passing = False

    def feed(self, data: bytes) -> list[Piece]:
        """Return the frames that `data` completes, in order."""
        if self._passing:
            return [(UNFRAMED, data, 0)]
        if self._partial is not None:
            # Bytes are appended until the frame is whole: a peer that sends single bytes must not cause a copy for each.
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
        """Return where the payload of the frame at `position` starts and stops.

        With an incomplete header: where the header stops.
        """
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
