"""What connections ask of the gateway that holds them."""

from typing import Protocol, TypeVar

from services.gateway.session.actions import Action

C_contra = TypeVar("C_contra", contravariant=True)
"""`Connection`, which this module can't import: it imports this one."""


class Gateway(Protocol[C_contra]):
    """What connections ask of the gateway that holds them. `Dispatcher` is it."""

    def dispatch(self, connection: C_contra, command: Action, now: float) -> None:
        """Hand a command on. `now` is monotonic seconds."""

    def on_lost(self, connection: C_contra, code: int | None, clean: bool) -> None:
        """The connection ended. `code`: its close code, if there is one; `clean`: by a close handshake of the peer."""

    def renew_lease(self, connection: C_contra) -> None:
        """The peer lives."""

    def plan_check(self, connection: C_contra) -> None:
        """The connection's deadlines have changed."""

    def read_inbox(self, connection: C_contra) -> None:
        """Have what the connection lacks read from its user's inbox."""

    def note_unseen(self, connection: C_contra, message: bytes) -> None:
        """A `message.new` is on its way to the peer, which has not confirmed it."""

    def note_replayed(self, connection: C_contra, events: list[bytes]) -> None:
        """These events were written from the inbox."""

    def repeat_presence(self, connection: C_contra) -> None:
        """Have a new `status.bulk` sent."""
