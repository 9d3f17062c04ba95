"""Who hears what comes in on a socket, once its handshake is over."""

from typing import Protocol


class Listener(Protocol):
    """What an attached connection tells."""

    def on_text(self, data: bytes) -> None:
        """A whole text message; `data` is valid UTF-8."""

    def on_binary(self) -> None:
        """A whole binary message, which the contract doesn't know."""

    def on_ping(self) -> None:
        """A ping, which is answered already."""

    def on_pong(self) -> None:
        """A pong, whatever it answers."""

    def on_paused(self) -> None:
        """The peer reads too slowly: nothing can be written now."""

    def on_shed(self) -> None:
        """The peer has caught up, without typing and presence events that were shed."""

    def on_lost(self, code: int | None, clean: bool) -> None:
        """The connection ended, said once. `code`: the close code that ended it; `clean`: by a close handshake of the peer."""
