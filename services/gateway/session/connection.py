"""A live connection: its session, its place in the user's inbox, and the way to its socket."""

import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import structlog

from services.gateway import metrics
from services.gateway.registry.connections import RecoveryResult
from services.gateway.session.actions import Action, Close, PauseReading, Pong, Reply
from services.gateway.session.command_queue import CommandQueue
from services.gateway.session.deadlines import Deadlines
from services.gateway.session.gateway import Gateway
from services.gateway.session.inbox_follower import InboxFollower
from services.gateway.session.message_bucket import MessageBucket
from services.gateway.session.rules import Session
from services.gateway.session.transient_gate import TransientGate
from services.gateway.session.typing_state import TypingState
from services.gateway.session.unseen import UnseenMessages
from services.gateway.transport.frames import Burst, text_frame
from services.gateway.transport.reading import Reading
from services.gateway.transport.websocket_protocol import GatewayProtocol
from shared.auth import Principal
from shared.protocol.closing import CloseCode
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

log = structlog.get_logger(__name__)


class Connection:
    """One socket of one user. Implements `websocket_protocol.Listener`.

    It carries out what its session decides, and hands commands on to its gateway.
    """

    __slots__ = (
        "_gate",
        "_gateway",
        "_protocol",
        "began_ms",
        "close_code",
        "commands",
        "deadlines",
        "id",
        "inbox",
        "issued_at",
        "message_bucket",
        "session",
        "typing",
        "unseen",
        "user_id",
    )

    def __init__(self, gateway: "Gateway[Connection]", session: Session, principal: Principal) -> None:
        self._gateway = gateway
        self._protocol: GatewayProtocol | None = None
        self._gate: TransientGate | None = TransientGate()
        self.session = session
        self.id = session.connection_id
        self.user_id = session.user_id
        self.began_ms = int(session.wall_clock() * 1000)
        """When the connection opened, Unix ms by Redis' clock. What happened before it isn't news for its client."""
        self.issued_at = principal.issued_at
        """When the client's token was issued, Unix seconds."""
        self.deadlines = Deadlines(time.monotonic(), principal.expires_at)
        self.inbox = InboxFollower(gateway, self)
        self.close_code: CloseCode | None = None
        """The code that this gateway closes the connection with, once it does."""
        self.message_bucket: MessageBucket | None = None
        """A copy of the user's bucket of messages, if it is valid. `uplink.command_rate_limit` sets it."""
        self.commands: CommandQueue | None = None
        """Created with the first command. `uplink.batches` fills and empties it."""
        self.typing: TypingState | None = None
        """Created with the first typing event. `uplink.typing_tracker` maintains it."""
        self.unseen: UnseenMessages | None = None
        """Messages that were written since the peer's last sign of life.

        An inactive client's signs of life don't count: they show that it runs, not that somebody looks.
        """

    # --- state ---------------------------------------------------------------------------------------------------------

    @property
    def has_bulk(self) -> bool:
        """True when `status.bulk` was written, or has been waited for long enough."""
        return self._gate is None

    @property
    def is_open(self) -> bool:
        """False before the connection is open, and after it has ended."""
        return self._protocol is not None

    @property
    def busy(self) -> bool:
        """True while a command of the connection waits for its answer."""
        return self.commands is not None and self.commands.busy

    @property
    def paused_at(self) -> float | None:
        """Since when the transport is full (monotonic seconds), or None."""
        return None if self._protocol is None else self._protocol.send_buffer.paused_at

    @property
    def reading(self) -> Reading | None:
        """The reading of its frames; None before the connection is open, and after it has ended."""
        return None if self._protocol is None else self._protocol.reading

    def took_any(self) -> bool | None:
        """Whether the peer has acknowledged bytes since the last call; None when it has all that was written."""
        return None if self._protocol is None else self._protocol.send_buffer.took_any()

    # --- down ----------------------------------------------------------------------------------------------------------

    def open(self, protocol: GatewayProtocol, welcome: bytes, recovery_result: RecoveryResult) -> bool:
        """Send `welcome` and what the client missed, and let live events pass. False when the peer has gone."""
        if not protocol.attach(self):
            return False
        self._protocol = protocol
        self.began_ms = int(self.session.wall_clock() * 1000)
        protocol.send_buffer.write_direct(protocol.take_response() + text_frame(welcome))
        self.resume(recovery_result)
        return self.is_open

    def resume(self, recovery_result: RecoveryResult) -> None:
        """Go on from what was read from the inbox."""
        if recovery_result.revokes(self.issued_at):
            # The order to close was published while the link was cut.
            self.close(CloseCode.TOKEN_EXPIRED)
        elif self._protocol is not None:
            self.inbox.go_on(self._protocol.send_buffer, recovery_result)

    def deliver(self, burst: Burst) -> None:
        """Write durable events that follow one another, except those that the client has."""
        if self.message_bucket is not None and not self.message_bucket.all_sent_here(burst):
            self.message_bucket = None
        self.inbox.deliver(None if self._protocol is None else self._protocol.send_buffer, burst)

    def send(self, text: bytes) -> None:
        """Write an event for this connection alone."""
        if self._protocol is not None:
            metrics.EVENTS_OUT.counts["direct"] += 1
            if not self._protocol.send_buffer.write_direct(text_frame(text)):
                self._protocol.reading.pause()

    def send_transient(self, frame: bytes, about: str = "") -> None:
        """Write an event that may be shed; before `status.bulk` it waits.

        An event about user `about`'s presence is dropped instead of waiting: the bulk is read later and contains it.
        """
        if self._gate is not None:
            if about in ("", self.user_id):
                self._gate.hold(frame)
        elif self._protocol is not None:
            metrics.EVENTS_OUT.counts["transient"] += 1
            self._protocol.send_buffer.write_transient(frame)

    def send_bulk(self, text: bytes, parts: int) -> None:
        """Write one of the `parts` of `status.bulk`; or drop it while the peer is behind, who gets a new one afterwards."""
        if self._protocol is None:
            return
        if not self.inbox.replayed or self._protocol.send_buffer.full:
            self._protocol.send_buffer.count_shed()
            return
        self.send(text)
        if self._gate is not None and self._gate.add_part(parts):
            self.release_transients()

    def release_transients(self) -> None:
        """Let transient events pass: `status.bulk` was written, or has been waited for long enough."""
        gate, self._gate = self._gate, None
        for frame in gate.waiting if gate else ():
            self.send_transient(frame)

    def ping(self) -> bool:
        """Send a WebSocket ping. False when the peer could not get it now."""
        return self._protocol is not None and self._protocol.ping()

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
        try:
            for action in self.session.on_frame(data, now):
                self._carry_out(action, now)
        except Exception:
            self._answer_bug()
        self._show_life()

    def on_binary(self) -> None:
        """A whole binary message; the protocol has none."""
        now = time.monotonic()
        self._show_life()
        for action in self.session.on_binary(now):
            self._carry_out(action, now)

    def on_ping(self) -> None:
        """A ping, which is answered already. The heartbeat counts only pongs: they show that the peer reads."""
        self._show_life()

    def on_pong(self) -> None:
        """A pong: renew the connection's lease."""
        self.deadlines.pong_at = time.monotonic()
        self._show_life()
        self._gateway.renew_lease(self)

    def on_paused(self) -> None:
        """The peer reads too slowly: it has a deadline from now."""
        self._gateway.plan_check(self)

    def on_resumed(self) -> None:
        """The peer has read everything: send the events that were left out."""
        self._gateway.plan_check(self)
        if self._protocol is not None:
            self.inbox.on_resumed(self._protocol.send_buffer)

    def on_lost(self, code: int | None, clean: bool) -> None:
        """The connection ended."""
        self._protocol = None
        if clean:
            # A close handshake is a sign of life as well.
            self._show_life()
        self._gateway.on_lost(self, code, clean)

    def _show_life(self) -> None:
        """Take what was written as seen, unless the client said last that it is inactive."""
        if self.session.active:
            self.unseen = None

    # --- what the session decided ------------------------------------------------------------------------------------------

    def _carry_out(self, action: Action, now: float) -> None:
        carry_out = _OWN_ACTIONS.get(type(action))
        if carry_out is None:
            self._gateway.dispatch(self, action, now)
        else:
            carry_out(self, action)

    def _reply(self, reply: Reply) -> None:
        self.send(reply.text)

    def _pong(self, pong: Pong) -> None:
        self.send(pong.text)
        self._gateway.renew_lease(self)

    def _close(self, close: Close) -> None:
        self.close(close.code)

    def _pause_reading(self, _action: PauseReading) -> None:
        if self._protocol is not None:
            self._protocol.reading.pause()

    def _answer_bug(self) -> None:
        """Answer a frame that failed by an error of ours: the client may send it again, and the log says why it failed."""
        error_id = uuid.uuid4().hex
        log.exception("frame.failed", error_id=error_id, connection_id=self.id, user_id=self.user_id)
        self.send(json_encoder.encode(error_event(ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")))


_OWN_ACTIONS: Final[dict[type[Any], Callable[[Connection, Any], None]]] = {
    Reply: Connection._reply,
    Pong: Connection._pong,
    Close: Connection._close,
    PauseReading: Connection._pause_reading,
}
"""Actions that the connection carries out itself; every other one goes to the dispatcher."""
