"""Sends frames of one connection: straight to the transport while it has room, into a bounded backlog otherwise."""

import array
import asyncio
import fcntl
import termios
from collections import deque
from collections.abc import Iterable
from typing import Final

from services.gateway import metrics
from shared.protocol import limits

WRITE_SECONDS: Final = 10.0
"""A peer that takes nothing for this long while the transport is full is a slow consumer."""
HIGH_WATER_BYTES: Final = 64 * 1024
"""Bytes in the transport's buffer above which it calls `pause_writing`."""


class SendBuffer:
    """Writes frames in order. Bounded: `HIGH_WATER_BYTES` in the transport, and here 256 events or 1 MiB.

    When the backlog is full, transient events (typing, presence) are dropped first. Then durable events are refused: they are in
    the inbox, and are read from there later. Answers to the client are always kept; reading from the client must pause instead.
    """

    __slots__ = ("_backlog", "_backlog_bytes", "_shed_any", "_taken", "_transport", "_written", "paused_at")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._backlog: deque[tuple[bytes, bool]] | None = None
        self._backlog_bytes = 0
        self._shed_any = False
        self._written = 0
        self._taken = 0
        self.paused_at: float | None = None
        """Since when the transport is full (monotonic seconds), or None."""

    @property
    def full(self) -> bool:
        """True when the backlog has reached its limit."""
        return self._backlog is not None and not self._has_room(0)

    def write_durable(self, frames: list[bytes]) -> int:
        """Send `frames` or keep them. Returns how many of the first ones found room."""
        sent = 0
        while self.paused_at is None and sent < len(frames):
            sent += self._write_some(frames, sent)
        for place in range(sent, len(frames)):
            if not self._has_room(len(frames[place])):
                self._shed_kept()
                if not self._has_room(len(frames[place])):
                    return place
            self._keep(frames[place], transient=False)
        return len(frames)

    def write_direct(self, frame: bytes) -> bool:
        """Send an answer to the client. False when the backlog is full: stop reading from the client until there is room."""
        if self.paused_at is None:
            self._hand_over(frame)
            return True
        self._keep(frame, transient=False)
        return not self.full

    def write_transient(self, frame: bytes) -> None:
        """Send an event, or drop it when the backlog is full."""
        if self.paused_at is None:
            self._hand_over(frame)
        elif self._has_room(len(frame)):
            self._keep(frame, transient=True)
        else:
            self.count_shed()

    def write_at_once(self, frames: bytes) -> None:
        """Send a part of a replay. The transport takes it whatever its size, so the transport must not be full already."""
        self._hand_over(frames)

    def pause(self, now: float) -> None:
        """The transport is full."""
        self.paused_at = now

    def resume(self) -> bool:
        """The transport has room again. True when nothing waits here any more."""
        self.paused_at = None
        while self._backlog and self.paused_at is None:
            # A write may pause us again, from inside.
            frame, _ = self._backlog.popleft()
            self._backlog_bytes -= len(frame)
            self._hand_over(frame)
        if self._backlog or self.paused_at is not None:
            return False
        self._backlog = None
        return True

    def count_shed(self, count: int = 1) -> None:
        """Count transient events that were dropped."""
        metrics.EVENTS_SHED.inc(count)
        self._shed_any = self._shed_any or count > 0

    def take_shed(self) -> bool:
        """True when transient events were dropped since the last call."""
        shed, self._shed_any = self._shed_any, False
        return shed

    def took_any(self) -> bool | None:
        """Return whether the peer has acknowledged any bytes since the last call; None when it has acknowledged everything.

        Bytes that only our kernel has accepted don't count: it takes megabytes for a peer that reads nothing.
        """
        unacknowledged = self._transport.get_write_buffer_size() + self._kernel_bytes()
        taken = self._written - unacknowledged
        took, self._taken = taken > self._taken, max(taken, self._taken)
        return took if unacknowledged else None

    def _kernel_bytes(self) -> int:
        """Return the bytes in the socket's send queue that the peer's kernel has not acknowledged."""
        socket = self._transport.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return 0
        count = array.array("i", [0])
        try:
            fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, count)
        except OSError:
            return 0
        return count[0]

    def _write_some(self, frames: list[bytes], start: int) -> int:
        """Write as many `frames` as the transport's buffer holds, with one call; returns how many."""
        size, stop = 0, start
        while stop < len(frames) and (size == 0 or size + len(frames[stop]) <= HIGH_WATER_BYTES):
            size += len(frames[stop])
            stop += 1
        # uvloop writes at once: each call is a system call, and wakes the load balancer.
        self._hand_over(frames[start] if stop - start == 1 else b"".join(frames[start:stop]))
        return stop - start

    def _hand_over(self, data: bytes) -> None:
        self._written += len(data)
        self._transport.write(data)

    def _has_room(self, size: int) -> bool:
        return self._backlog is None or (
            len(self._backlog) < limits.SEND_BUFFER_EVENTS and self._backlog_bytes + size < limits.SEND_BUFFER_BYTES
        )

    def _keep(self, frame: bytes, *, transient: bool) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append((frame, transient))
        self._backlog_bytes += len(frame)

    def _shed_kept(self) -> None:
        """Drop the transient events of the backlog."""
        kept: Iterable[tuple[bytes, bool]] = [entry for entry in self._backlog or () if not entry[1]]
        before = len(self._backlog or ())
        self._backlog = deque(kept)
        self._backlog_bytes = sum(len(frame) for frame, _ in self._backlog)
        self.count_shed(before - len(self._backlog))
