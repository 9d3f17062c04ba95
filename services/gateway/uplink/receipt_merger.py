"""Merges the receipts of users whose connections together send more of them than one connection may."""

from collections.abc import Callable
from typing import Final

from services.gateway.rate_limit import Rate, RateLimit
from services.gateway.session.connection import Connection
from services.gateway.session.hub import Hub
from shared.protocol import relay

MOST_HELD: Final = 256
"""Receipts of one user that are held at the same time. Beyond that, they aren't merged."""

Receipt = relay.MarkRead | relay.MarkDelivered
Submit = Callable[[Connection, relay.Command, float], None]
"""Sends a command of a connection to messaging. The time is monotonic seconds."""


class _Paced:
    """The receipts of one user. `held`: what they are about → the connection that asked last, and the merged receipt."""

    __slots__ = ("held", "limit")

    def __init__(self, rate: Rate) -> None:
        self.limit = RateLimit(rate)
        self.held: dict[tuple[object, ...], tuple[Connection, Receipt]] = {}


class ReceiptMerger:
    """Passes receipts on, and holds those beyond the rate until the next `flush`.

    Receipts only move marks forward, so one with the highest seq does the same as all that it replaces, and its answer tells the
    same. Ten connections of a user may send ten times as many as one, and each `message.read` is answered to all ten: a hundred
    times as many events.
    """

    def __init__(self, hub: Hub, submit: Submit, per_second: float) -> None:
        self._hub = hub
        self._submit = submit
        self._rate = Rate(per_second)
        self._users: dict[str, _Paced] = {}
        self._holding: set[str] = set()

    def submit(self, connection: Connection, receipt: Receipt, now: float) -> None:
        """Pass a receipt on, or hold it."""
        paced = self._users.get(connection.user_id)
        if paced is None:
            if len(self._hub.of_user(connection.user_id)) < 2:
                # The connection's own limit has allowed it.
                self._submit(connection, receipt, now)
                return
            paced = self._users[connection.user_id] = _Paced(self._rate)
        about = _about(receipt)
        earlier = paced.held.get(about)
        if earlier is None and (not paced.limit.take(now) or len(paced.held) >= MOST_HELD):
            self._submit(connection, receipt, now)
            return
        paced.held[about] = connection, receipt if earlier is None else _later(earlier[1], receipt)
        self._holding.add(connection.user_id)

    def flush(self, now: float) -> None:
        """Pass on what is held."""
        while self._holding:
            paced = self._users[self._holding.pop()]
            held, paced.held = paced.held, {}
            for connection, receipt in held.values():
                self._submit(connection, receipt, now)

    def forget(self, user_id: str, now: float) -> None:
        """Pass on what is held of a user without connections, and forget the user."""
        paced = self._users.pop(user_id, None)
        if paced is not None:
            self._holding.discard(user_id)
            for connection, receipt in paced.held.values():
                self._submit(connection, receipt, now)


def _about(receipt: Receipt) -> tuple[object, ...]:
    """Return a key that receipts have in common when the later of them replaces the earlier ones."""
    if isinstance(receipt, relay.MarkDelivered):
        return receipt.conversation_id, receipt.active
    # Without a seq, a receipt covers what there was at its time, which can't be compared with a seq.
    return receipt.conversation_id, "all" if receipt.seq is None else "read"


def _later(earlier: Receipt, receipt: Receipt) -> Receipt:
    """Return the one that covers both."""
    return earlier if (earlier.seq or 0) > (receipt.seq or 0) else receipt
