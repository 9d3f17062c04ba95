"""The gateway's parts as connections use them: hands each command to its owner, and removes an ended connection from every part.

`Dispatcher` implements `session.gateway.Gateway`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from services.gateway import metrics
from services.gateway.downlink.recovery import Recovery
from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.registry.connections import ConnectionRegistry
from services.gateway.session.actions import Action, RefreshToken, SetActive
from services.gateway.session.connection import Connection
from services.gateway.session.heartbeat import Heartbeat
from services.gateway.session.hub import Hub
from services.gateway.session.token_refresh import TokenRefresh
from services.gateway.uplink.lease_renewals import LeaseRenewals
from services.gateway.uplink.presence import PresencePublisher
from services.gateway.uplink.publisher import CommandPublisher
from services.gateway.uplink.receipt_merger import Receipt, ReceiptMerger
from services.gateway.uplink.typing_tracker import TypingTracker
from shared.features import OfferedFeatures
from shared.protocol import limits, relay
from shared.protocol.closing import CloseCode
from shared.store_clock import StoreClock

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 0.25
BULK_SECONDS: Final = 2.0
"""Typing and `auth.expiring` wait at most this long for a connection's `status.bulk`: presence may be slow, or away."""
LOST: Final = "lost"
OTHER: Final = "other"
CHOSEN_CODES: Final = 3000
OWN_CODES: Final = frozenset(map(int, CloseCode))
NOTABLE: Final = frozenset(
    {CloseCode.POLICY_VIOLATION, CloseCode.FRAME_TOO_BIG, CloseCode.INTERNAL_ERROR, CloseCode.EVENTS_LOST}
    | {CloseCode.SLOW_CONSUMER, CloseCode.PONG_TIMEOUT}
)
"""Close codes that are logged, because an operator may want to see them."""
ENDINGS: Final = frozenset(
    {CloseCode.POLICY_VIOLATION, CloseCode.FRAME_TOO_BIG, CloseCode.TOKEN_EXPIRED, CloseCode.REPLACED}
)
"""Close codes of this gateway after which the user goes offline at once. After all others the user has time to reconnect."""


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The gateway's parts as connections use them."""

    hub: Hub
    uplink: CommandPublisher
    receipts: ReceiptMerger
    registry: ConnectionRegistry
    undelivered: UndeliveredTracker
    heartbeat: Heartbeat
    presence: PresencePublisher
    leases: LeaseRenewals
    typing_tracker: TypingTracker
    recovery: Recovery
    token_refresh: TokenRefresh
    clock: StoreClock
    features: OfferedFeatures

    def dispatch(self, connection: Connection, command: Action, now: float) -> None:
        """Hand a command to its owner. `now` is monotonic seconds."""
        if type(command) is relay.SendMessage:
            if connection.typing is not None:
                self.typing_tracker.stop(connection, command.conversation_id, now)
            self.uplink.submit(connection, command, now)
        else:
            _OWNERS[type(command)](self, connection, command, now)

    def on_opened(
        self, connection: Connection, status: str, *, missing_friends: str | None, friends: relay.FriendList | None
    ) -> None:
        """Announce a client that has `connection.success` and all missed events.

        `status`: its first availability, or ''. `missing_friends`: as in `RecoveryResult`. `friends`: these, if they were read.
        """
        self.heartbeat.plan(connection)
        self.recovery.on_opened(connection)
        self.presence.connected(
            connection.user_id, connection.id, status, missing_friends=missing_friends, friends=friends
        )
        asyncio.get_running_loop().call_later(BULK_SECONDS, connection.release_transients)

    def on_lost(self, connection: Connection, code: int | None, clean: bool) -> None:
        """The connection ended. `code`: its close code, if there is one; `clean`: by a close handshake of the peer."""
        if not self.hub.remove(connection):
            return
        metrics.CLOSES.labels(_label_of(code)).inc()
        level = logging.INFO if code in NOTABLE else logging.DEBUG
        log.log(level, "connection.closed", connection_id=connection.id, user_id=connection.user_id, code=code)
        self.typing_tracker.stop_all(connection)
        self.registry.detach(connection.user_id, connection.id)
        if not self.hub.of_user(connection.user_id):
            self.receipts.forget(connection.user_id, time.monotonic())
        going_away = code == CloseCode.GOING_AWAY
        self.presence.disconnected(
            connection.user_id,
            connection.id,
            # Browsers close with 1001 when a page is loaded again.
            clean=(clean and not going_away) or code in ENDINGS,
            reconnect_seconds=limits.RECONNECT_SPREAD_SECONDS if going_away and not clean else 0,
        )

    def renew_lease(self, connection: Connection) -> None:
        """Renew the lease: the peer gave a sign of life."""
        self.leases.renew(connection)

    def plan_check(self, connection: Connection) -> None:
        """The connection's deadlines have changed."""
        self.heartbeat.plan(connection)

    def read_inbox(self, connection: Connection) -> None:
        """Read from the user's inbox, soon, what the connection has missed."""
        self.recovery.ask(connection)

    def note_unseen(self, connection: Connection, messages: list[bytes]) -> None:
        """Watch each `message.new` that was sent to the peer and is not confirmed yet."""
        self.undelivered.written(connection, messages)

    def note_replayed(self, connection: Connection, events: list[bytes]) -> None:
        """Watch the messages among these events, which were written from the inbox."""
        self.undelivered.replayed(connection, events)

    def repeat_presence(self, connection: Connection) -> None:
        """Ask presence to send a new `status.bulk`."""
        self.presence.repeat([connection])

    async def sweep_forever(self) -> None:
        """Check deadlines while there are connections, or unfinished work of ended ones. Never returns."""
        while True:
            if self.uplink.idle and not self.undelivered.watching:
                await self.hub.occupied.wait()
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            self.heartbeat.sweep(now)
            self.typing_tracker.sweep(now)
            self.receipts.flush(now)
            self.uplink.expire(now)
            self.undelivered.sweep(now)

    # --- one for each kind of command --------------------------------------------------------------------------------------

    def _submit(self, connection: Connection, command: relay.Command, now: float) -> None:
        self.uplink.submit(connection, command, now)

    def _receipt(self, connection: Connection, receipt: Receipt, now: float) -> None:
        self.receipts.submit(connection, receipt, now)

    def _typing(self, connection: Connection, signal: relay.Typing, now: float) -> None:
        self.typing_tracker.on_signal(connection, signal, now)

    def _status(self, _connection: Connection, command: relay.SetStatus, _now: float) -> None:
        self.presence.status_set(command)

    def _set_active(self, connection: Connection, state: SetActive, _now: float) -> None:
        self.registry.set_active(connection.user_id, connection.id, active=state.active)

    def _refresh(self, connection: Connection, refresh: RefreshToken, _now: float) -> None:
        self.token_refresh.ask(connection, refresh.token)


def _label_of(code: int | None) -> str:
    """Return what the metric shows for a close code. Clients may choose any code from 3000 on (RFC 6455, section 7.4.2)."""
    if code is None:
        return LOST
    return str(code) if code < CHOSEN_CODES or code in OWN_CODES else OTHER


_OWNERS: Final[dict[type[Any], Callable[[Dispatcher, Connection, Any, float], None]]] = {
    relay.MarkRead: Dispatcher._receipt,
    relay.MarkDelivered: Dispatcher._receipt,
    relay.SetBlock: Dispatcher._submit,
    relay.EditMessage: Dispatcher._submit,
    relay.DeleteMessage: Dispatcher._submit,
    relay.SetReaction: Dispatcher._submit,
    relay.Typing: Dispatcher._typing,
    relay.SetStatus: Dispatcher._status,
    RefreshToken: Dispatcher._refresh,
    SetActive: Dispatcher._set_active,
}
