"""How far a connection has read its user's inbox, and the live events that are held while it is read."""

from collections.abc import Sequence
from typing import Final

from shared.protocol import relay
from shared.protocol.inbox import EPOCH_DIGITS

MAX_HELD: Final = 256
MAX_HELD_BYTES: Final = 256 * 1024
"""Limit of held events, beside their number. Beyond either, they are dropped, and read from the inbox later."""


class InboxPosition:
    """The last inbox entry that was written to a connection.

    Live events are held from the start, and whenever one is missing, until the inbox has been read.
    """

    __slots__ = ("_held_bytes", "behind", "held", "offset", "replayed", "tag")

    def __init__(self) -> None:
        self.offset = 0
        self.tag = ""
        self.held: list[relay.DurableEvent] | None = []
        """Events that wait until the inbox has been read; None while events pass through."""
        self._held_bytes = 0
        self.behind = False
        """True when events were left out or not read yet.

        The inbox is read again as soon as the peer has taken what was written.
        """
        self.replayed = False
        """True when the client has everything that it missed before it connected."""

    @property
    def cursor(self) -> str:
        """The id of the last entry that was written."""
        return f"{self.offset}-{self.tag}"

    def move_to(self, offset: int, tag: str) -> None:
        """Note that the client has everything up to this entry."""
        self.offset = offset
        self.tag = tag

    def follows(self, event: relay.DurableEvent) -> bool:
        """Return whether `event` is the next one. In another epoch the same offsets mean other events."""
        return event.offset == self.offset + 1 and event.tag[:EPOCH_DIGITS] == self.tag[:EPOCH_DIGITS]

    def hold(self, events: Sequence[relay.DurableEvent] = ()) -> bool:
        """Hold events from now on, `events` first. False when they were dropped; the inbox has them."""
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
        """Leave out live events until the inbox is read again."""
        self.held = []
        self._held_bytes = 0
        self.behind = True

    def begin_reading(self) -> None:
        """Note that a read of the inbox begins: it returns everything that was dropped before."""
        if self.held is None:
            self.held = []
        self.behind = False

    def release(self) -> Sequence[relay.DurableEvent]:
        """Stop holding events. Returns those that were held."""
        held, self.held = self.held, None
        self._held_bytes = 0
        self.replayed = True
        return held or ()
