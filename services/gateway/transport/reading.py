"""Whether the frames of one socket are handled, and those that were read and not handled yet."""

import asyncio
from typing import Final, Protocol

from services.gateway.transport.frames import Piece

READING_PAUSE_SECONDS: Final = 1.0


class Socket(Protocol):
    """What is read from."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    @property
    def has_room(self) -> bool:
        """True when answers could be written."""

    def handle(self, pieces: list[Piece]) -> None:
        """Handle what was read, as long as `Reading.on`; the rest becomes `Reading.unread`."""


class Reading:
    """The reading of one socket. It is paused for a second when the peer sends too much, and held while its commands wait."""

    __slots__ = ("_held", "_paused", "_socket", "on", "unread")

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._paused = False
        self._held = False
        self.on = True
        """False while nothing is read or handled."""
        self.unread: list[Piece] = []

    def pause(self) -> None:
        """Stop handling frames: for a second, and until there is room for answers."""
        if not self._paused and not self._socket.transport.is_closing():
            self._paused = True
            self._stop()
            self._socket.loop.call_later(READING_PAUSE_SECONDS, self._end_pause)

    def hold(self) -> None:
        """Stop handling frames until `release`."""
        if not self._socket.transport.is_closing():
            self._held = True
            self._stop()

    def release(self) -> None:
        """Handle frames again soon, after `hold`."""
        if self._held:
            self._held = False
            self._socket.loop.call_soon(self._go_on)

    def _stop(self) -> None:
        self.on = False
        self._socket.transport.pause_reading()

    def _end_pause(self) -> None:
        if not self._socket.has_room and not self._socket.transport.is_closing():
            self._socket.loop.call_later(READING_PAUSE_SECONDS, self._end_pause)
            return
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        """Read again, unless something still forbids it. What was read before is handled first."""
        if self.on or self._paused or self._held or self._socket.transport.is_closing():
            return
        self.on = True
        unread, self.unread = self.unread, []
        self._socket.handle(unread)
        if self.on and not self._socket.transport.is_closing():
            self._socket.transport.resume_reading()
