"""What a connection is to be sent: straight to the transport while that takes it, into a bounded backlog otherwise."""

import asyncio
from collections import deque
from typing import Final

from services.gateway import metrics
from shared.protocol import limits

WRITE_SECONDS: Final = 10.0
"""A peer that takes nothing for so long is too slow."""
HIGH_WATER_BYTES: Final = 64 * 1024
"""What the transport holds for a peer before it says `pause_writing`."""


class SendBuffer:
    """Writes frames in order. Bounded: `HIGH_WATER_BYTES` in the transport and `SEND_BUFFER_EVENTS` here."""

    __slots__ = ("_backlog", "_shed_any", "_transport", "paused_at")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._backlog: deque[tuple[bytes, bool]] | None = None
        self._shed_any = False
        self.paused_at: float | None = None
        """Since when the transport takes nothing (monotonic seconds), or None."""

    def write(self, *frames: bytes, transient: bool = False) -> bool:
        """Send `frames` with one write, or keep them. False when there is no room: the peer is too slow, and must go.

        When the backlog is full, transient events (typing, presence) are dropped first: new ones, then kept ones.
        """
        if self.paused_at is None:
            # uvloop writes at once: each call is a system call, and wakes the balancer.
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
            return True
        return all(self._keep(frame, transient) for frame in frames)

    def write_at_once(self, frames: bytes) -> None:
        """Send a replay, whose size the inbox bounds, whether or not the transport is paused."""
        self._flush()
        self._transport.write(frames)

    def pause(self, now: float) -> None:
        """The transport's buffer is full."""
        self.paused_at = now

    def resume(self) -> bool:
        """The transport's buffer has room again. True when the peer has caught up, and transient events were shed."""
        self.paused_at = None
        while self._backlog and self.paused_at is None:
            # A write may pause us again, from inside.
            self._transport.write(self._backlog.popleft()[0])
        if self._backlog:
            return False
        self._backlog = None
        shed, self._shed_any = self._shed_any, False
        return shed

    def _keep(self, frame: bytes, transient: bool) -> bool:
        backlog = self._backlog
        if backlog is None:
            backlog = self._backlog = deque()
        if len(backlog) >= limits.SEND_BUFFER_EVENTS:
            if transient:
                self._count_shed(1)
                return True
            backlog = self._shed(backlog)
            if len(backlog) >= limits.SEND_BUFFER_EVENTS:
                return False
        backlog.append((frame, transient))
        return True

    def _flush(self) -> None:
        if self._backlog:
            self._transport.write(b"".join(frame for frame, _ in self._backlog))
            self._backlog = None

    def _shed(self, backlog: deque[tuple[bytes, bool]]) -> deque[tuple[bytes, bool]]:
        kept = self._backlog = deque(entry for entry in backlog if not entry[1])
        self._count_shed(len(backlog) - len(kept))
        return kept

    def _count_shed(self, count: int) -> None:
        metrics.EVENTS_SHED.inc(count)
        self._shed_any = self._shed_any or count > 0
