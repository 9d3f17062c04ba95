"""Who hears what comes in on a socket, once its handshake is over: the protocol tells its connection, which tells its keeper."""

from typing import Protocol, TypeVar

from services.gateway.session.rules import Action

C_contra = TypeVar("C_contra", contravariant=True)


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


class Keeper(Protocol[C_contra]):
    """What a connection tells whoever keeps it."""

    def act(self, connection: C_contra, action: Action, now: float) -> None:
        """Its session decided something."""

    def on_written(self, connection: C_contra, message: bytes) -> None:
        """A `message.new` was written to it."""

    def on_replayed(self, connection: C_contra, events: list[bytes]) -> None:
        """What it had missed was written to it."""

    def on_gap(self, connection: C_contra) -> None:
        """A delivery is missing."""

    def on_pong(self, connection: C_contra) -> None:
        """Its peer lives."""

    def on_paused(self, connection: C_contra) -> None:
        """Its peer doesn't read as fast as we write."""

    def on_shed(self, connection: C_contra) -> None:
        """What its peer shows of its friends may be out of date."""

    def on_lost(self, connection: C_contra, code: int | None, clean: bool) -> None:
        """It ended."""
