"""How far a connection has followed its user's inbox, and what is held back while the inbox is read."""

from collections.abc import Sequence
from typing import Final

from shared.protocol import relay
from shared.protocol.inbox import EPOCH_DIGITS

MAX_HELD: Final = 256
MAX_HELD_BYTES: Final = 256 * 1024
"""Of events that are held back; beyond either, they are dropped and read from the inbox."""


class InboxPosition:
    """The last inbox entry that was written to a connection.

    Events are held from the start, and again whenever one is missing, until the inbox has been read.
    """

    __slots__ = ("_held_bytes", "behind", "held", "offset", "replayed", "tag")

    def __init__(self) -> None:
        self.offset = 0
        self.tag = ""
        self.held: list[relay.DurableEvent] | None = []
        """Events that wait until the inbox has been read; None while events pass through."""
        self._held_bytes = 0
        self.behind = False
        """Events were left out, or not read yet: the inbox has to be read on, once the peer has taken what was written."""
        self.replayed = False
        """The client has everything that it had missed before it connected."""

    @property
    def cursor(self) -> str:
        """The id of that entry."""
        return f"{self.offset}-{self.tag}"

    def move_to(self, offset: int, tag: str) -> None:
        """The client has everything up to this entry."""
        self.offset = offset
        self.tag = tag

    def follows(self, event: relay.DurableEvent) -> bool:
        """Whether an event is the one after that entry: of another epoch, the same offsets are other events."""
        return event.offset == self.offset + 1 and event.tag[:EPOCH_DIGITS] == self.tag[:EPOCH_DIGITS]

    def hold(self, events: Sequence[relay.DurableEvent] = ()) -> bool:
        """Hold events back from now on, `events` first. False when they were dropped: the inbox has them."""
        if self.held is None:
            self.held = []
        if self.behind:
            return False
        self.held += events
        self._held_bytes += sum(len(event.text) for event in events)
        if len(self.held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES:
            self.fall_behind()
            return False
        return True

    def fall_behind(self) -> None:
        """Leave out what comes until the inbox is read again."""
        self.held = []
        self._held_bytes = 0
        self.behind = True

    def begin_reading(self) -> None:
        """The inbox is read from here on: it holds everything that was dropped before."""
        if self.held is None:
            self.held = []
        self.behind = False

    def release(self) -> Sequence[relay.DurableEvent]:
        """Let events pass through. Returns what was held."""
        held, self.held = self.held, None
        self._held_bytes = 0
        self.replayed = True
        return held or ()
