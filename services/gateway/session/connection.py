"""A live connection: its session, its place in the user's inbox, and the way to its socket."""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

from services.gateway import metrics
from services.gateway.registry.connections import RecoveryResult
from services.gateway.session.friend_snapshot import FriendSnapshot
from services.gateway.session.heartbeat import Deadlines
from services.gateway.session.inbox_position import InboxPosition
from services.gateway.session.rules import Action, Close, PauseReading, Pong, Reply, Session
from services.gateway.socket.frames import Burst, text_frame
from services.gateway.socket.websocket_protocol import GatewayProtocol
from shared.auth import Principal
from shared.protocol.closing import CloseCode
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

if TYPE_CHECKING:
    from services.gateway.uplink.batches import CommandQueue
    from services.gateway.uplink.dispatcher import Dispatcher
    from services.gateway.uplink.typing_tracker import TypingState

log = structlog.get_logger(__name__)

MAX_HELD: Final = 1024
"""Deliveries held back while the inbox is read; more means that Redis is too slow for us."""


class Connection:
    """One socket of one user. Implements `websocket_protocol.Listener`.

    It carries out what its session decides, and hands commands on to the dispatcher.
    """

    __slots__ = (
        "_dispatcher",
        "_protocol",
        "_snapshot",
        "began_ms",
        "close_code",
        "commands",
        "deadlines",
        "id",
        "inbox",
        "issued_at",
        "session",
        "typing",
        "unseen",
        "user_id",
    )

    def __init__(self, dispatcher: "Dispatcher", session: Session, principal: Principal) -> None:
        self._dispatcher = dispatcher
        self._protocol: GatewayProtocol | None = None
        self._snapshot: FriendSnapshot | None = FriendSnapshot()
        self.session = session
        self.id = session.connection_id
        self.user_id = session.user_id
        self.began_ms = int(session.wall_clock() * 1000)
        """When the connection was made, Unix ms by this gateway's clock."""
        self.issued_at = principal.issued_at
        """When the client's token was issued, Unix seconds."""
        self.deadlines = Deadlines(time.monotonic(), principal.expires_at)
        self.inbox = InboxPosition()
        self.close_code: CloseCode | None = None
        """The code that this gateway closes the connection with, once it does."""
        self.commands: CommandQueue | None = None
        """Made with the first command. `uplink.batches` fills and empties it."""
        self.typing: TypingState | None = None
        """Made with the first typing event. `uplink.typing_tracker` keeps it."""
        self.unseen: list[tuple[float, bytes]] | None = None
        """Each `message.new` written since the peer's last sign of life, and when (monotonic seconds)."""

    # --- state ---------------------------------------------------------------------------------------------------------

    @property
    def has_snapshot(self) -> bool:
        """True when `status.bulk` was written, or has been waited for long enough."""
        return self._snapshot is None

    @property
    def closed(self) -> bool:
        """True before the connection is open, and after it has ended."""
        return self._protocol is None

    @property
    def busy(self) -> bool:
        """True while a command of the connection waits for its answer."""
        return self.commands is not None and self.commands.busy

    @property
    def paused_at(self) -> float | None:
        """Since when the peer has taken nothing (monotonic seconds), or None."""
        return None if self._protocol is None else self._protocol.send_buffer.paused_at

    # --- down ----------------------------------------------------------------------------------------------------------

    def open(self, protocol: GatewayProtocol, welcome: bytes, recovery_result: RecoveryResult) -> bool:
        """Send `welcome` and what the client missed, and let live events pass. False when the peer has gone."""
        if not protocol.attach(self):
            return False
        self._protocol = protocol
        self._protocol.send_buffer.write_at_once(text_frame(welcome))
        self.resume(recovery_result)
        # What was held may have been too much for the peer.
        return not self.closed

    def hold(self) -> None:
        """Hold deliveries back until `resume`."""
        self.inbox.hold()

    def resume(self, recovery_result: RecoveryResult) -> None:
        """Go on from what was read from the inbox: its events, then what was held meanwhile."""
        if self._protocol is None:
            return
        if recovery_result.revokes(self.issued_at):
            # The order to close was published while the link was cut.
            self.close(CloseCode.TOKEN_EXPIRED)
            return
        events = recovery_result.events
        if events:
            metrics.EVENTS_OUT.counts["replayed"] += len(events)
            self._protocol.send_buffer.write_at_once(b"".join(map(text_frame, events)))
            self._dispatcher.undelivered.replayed(self, events)
        self.inbox.move_to(recovery_result.offset, recovery_result.tag)
        for delivery in self.inbox.release():
            self.deliver(Burst.framed([delivery]))

    def deliver(self, burst: Burst) -> None:
        """Write durable events that follow one another, except those that the client has; hold them when one before them is
        missing.
        """
        inbox, deliveries = self.inbox, burst.deliveries
        first, last = deliveries[0].offset, deliveries[-1]
        if inbox.held is not None:
            if inbox.hold(deliveries) > MAX_HELD:
                inbox.held.clear()
                self.close(CloseCode.OVERLOADED)
        elif first == inbox.offset + 1:
            inbox.move_to(last.offset, last.tag)
            metrics.EVENTS_OUT.counts["durable"] += len(deliveries)
            self._write(*burst.frames)
            for delivery, text in zip(deliveries, burst.texts, strict=True):
                if delivery.notifiable:
                    self._dispatcher.undelivered.written(self, text)
        elif first > inbox.offset:
            inbox.hold(deliveries)
            self._dispatcher.recovery.ask(self)
        elif last.offset > inbox.offset:
            self.deliver(Burst.framed([delivery for delivery in deliveries if delivery.offset > inbox.offset]))

    def send(self, text: bytes) -> None:
        """Write an event for this connection alone."""
        if self._protocol is not None:
            metrics.EVENTS_OUT.counts["direct"] += 1
            self._write(text_frame(text))

    def send_transient(self, frame: bytes, about: str = "") -> None:
        """Write an event that may be shed; before `status.bulk` it waits.

        An event about another user's presence (`about`) doesn't wait: the bulk, which is read later, contains it.
        """
        if self._snapshot is not None:
            if about in ("", self.user_id):
                self._snapshot.keep(frame)
        elif self._protocol is not None:
            metrics.EVENTS_OUT.counts["transient"] += 1
            self._protocol.send_buffer.write(frame, transient=True)

    def on_bulk(self, parts: int) -> None:
        """One of the `parts` of `status.bulk` was written."""
        if self._snapshot is not None and self._snapshot.add_part(parts):
            self.release_transients()

    def release_transients(self) -> None:
        """Let transient events pass: `status.bulk` was written, or has been waited for long enough."""
        snapshot, self._snapshot = self._snapshot, None
        for frame in snapshot.early if snapshot else ():
            self.send_transient(frame)

    def ping(self) -> None:
        """Send a WebSocket ping."""
        if self._protocol is not None:
            self._protocol.ping()

    def pause_reading(self) -> None:
        """Read nothing for a while."""
        if self._protocol is not None:
            self._protocol.pause_reading()

    def renew(self, principal: Principal) -> None:
        """Go on with a newer token."""
        self.issued_at = principal.issued_at
        self.deadlines.renew_token(principal.expires_at)

    def close(self, code: CloseCode) -> None:
        """Close with `code`, or refuse to open."""
        self.close_code = code
        if self._protocol is not None:
            self._protocol.close_with(code)

    # --- up: what the protocol reports -------------------------------------------------------------------------------------

    def on_text(self, data: bytes) -> None:
        """A whole text message; `data` is valid UTF-8."""
        now = time.monotonic()
        self.unseen = None
        try:
            for action in self.session.on_frame(data, now):
                self._carry_out(action, now)
        except Exception:
            self._answer_bug()

    def on_binary(self) -> None:
        """A whole binary message, which the contract doesn't know."""
        now = time.monotonic()
        self.unseen = None
        for action in self.session.on_binary(now):
            self._carry_out(action, now)

    def on_ping(self) -> None:
        """A ping, which is answered already. The heartbeat counts pongs alone: those show that the peer reads."""
        self.unseen = None

    def on_pong(self) -> None:
        """A pong: renew the user's lease."""
        self.deadlines.pong_at = time.monotonic()
        self.unseen = None
        self._dispatcher.presence.renew(self)

    def on_paused(self) -> None:
        """The peer reads too slowly: it has a deadline from now."""
        self._dispatcher.heartbeat.plan(self)

    def on_shed(self) -> None:
        """The peer has caught up without some presence events: it gets a new `status.bulk`."""
        self._dispatcher.presence.repeat([self])

    def on_lost(self, code: int | None, clean: bool) -> None:
        """The connection ended."""
        self._protocol = None
        if clean:
            # A close handshake is a sign of life as well.
            self.unseen = None
        self._dispatcher.on_lost(self, code, clean)

    # --- what the session decided ------------------------------------------------------------------------------------------

    def _carry_out(self, action: Action, now: float) -> None:
        carry_out = _OWN_ACTIONS.get(type(action))
        if carry_out is None:
            self._dispatcher.dispatch(self, action, now)
        else:
            carry_out(self, action)

    def _reply(self, reply: Reply) -> None:
        self.send(reply.text)

    def _pong(self, pong: Pong) -> None:
        self.send(pong.text)
        self._dispatcher.presence.renew(self)

    def _close(self, close: Close) -> None:
        self.close(close.code)

    def _pause_reading(self, _action: PauseReading) -> None:
        self.pause_reading()

    def _answer_bug(self) -> None:
        """A fault of ours in handling a frame: the client may send it again, and the log says why it failed."""
        error_id = uuid.uuid4().hex
        log.exception("frame.failed", error_id=error_id, connection_id=self.id, user_id=self.user_id)
        self.send(json_encoder.encode(error_event(ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")))

    def _write(self, *frames: bytes) -> None:
        if self._protocol is not None and not self._protocol.send_buffer.write(*frames):
            self.close(CloseCode.SLOW_CONSUMER)


_OWN_ACTIONS: Final[dict[type[Any], Callable[[Connection, Any], None]]] = {
    Reply: Connection._reply,
    Pong: Connection._pong,
    Close: Connection._close,
    PauseReading: Connection._pause_reading,
}
"""What the connection does itself; every other action is a command."""
