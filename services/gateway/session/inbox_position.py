"""How far a connection has followed its user's inbox, and what is held back while the inbox is read."""

from collections.abc import Sequence

from shared.protocol import relay


class InboxPosition:
    """The last inbox entry that was written to a connection.

    Deliveries are held from the start, and again whenever one is missing, until the inbox has been read.
    """

    __slots__ = ("held", "offset", "tag")

    def __init__(self) -> None:
        self.offset = 0
        self.tag = ""
        self.held: list[relay.Delivery] | None = []
        """Deliveries that wait until the inbox has been read; None while events pass through."""

    @property
    def cursor(self) -> str:
        """The id of that entry."""
        return f"{self.offset}-{self.tag}"

    def hold(self, deliveries: Sequence[relay.Delivery] = ()) -> int:
        """Hold deliveries back from now on, `deliveries` first. Returns how many are held."""
        if self.held is None:
            self.held = []
        self.held += deliveries
        return len(self.held)

    def move_to(self, offset: int, tag: str) -> None:
        """The client has everything up to this entry."""
        self.offset = offset
        self.tag = tag

    def release(self) -> Sequence[relay.Delivery]:
        """Let events pass through. Returns what was held."""
        held, self.held = self.held, None
        return held or ()
