"""The interface by which connections ask something of their gateway. `services.gateway.dispatcher` implements it."""

from typing import Protocol, TypeVar

from services.gateway.session.actions import Action

C_contra = TypeVar("C_contra", contravariant=True)
"""`Connection`, which this module can't import: it imports this one."""


class Gateway(Protocol[C_contra]):
    """A gateway, as its connections see it."""

    def dispatch(self, connection: C_contra, command: Action, now: float) -> None:
        """Hand a command to its owner. `now` is monotonic seconds."""

    def on_lost(self, connection: C_contra, code: int | None, clean: bool) -> None:
        """The connection ended. `code`: its close code, if there is one; `clean`: by a close handshake of the peer."""

    def renew_lease(self, connection: C_contra) -> None:
        """Renew the lease: the peer gave a sign of life."""

    def plan_check(self, connection: C_contra) -> None:
        """The connection's deadlines have changed."""

    def read_inbox(self, connection: C_contra) -> None:
        """Read from the user's inbox, soon, what the connection has missed."""

    def note_unseen(self, connection: C_contra, messages: list[bytes]) -> None:
        """Watch each `message.new` that was sent to the peer and is not confirmed yet."""

    def note_replayed(self, connection: C_contra, events: list[bytes]) -> None:
        """Watch the messages among these events, which were written from the inbox."""

    def repeat_presence(self, connection: C_contra) -> None:
        """Ask presence to send a new `status.bulk`."""
