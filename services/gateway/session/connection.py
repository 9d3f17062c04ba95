"""A live connection: its session, its place in the user's inbox, and the way to its socket."""

import time
import uuid
from collections.abc import Sequence
from typing import Final

import structlog

from services.gateway import metrics
from services.gateway.registry.connections import RecoveryResult
from services.gateway.session.rules import Session
from services.gateway.socket.attachment import Keeper
from services.gateway.socket.burst import Burst
from services.gateway.socket.frames import text_frame
from services.gateway.socket.websocket_protocol import GatewayProtocol
from shared.auth import Principal
from shared.protocol import relay
from shared.protocol.closing import CloseCode
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

log = structlog.get_logger(__name__)

MAX_HELD: Final = 1024
"""Deliveries held back while the inbox is read; more means that Redis is too slow for us."""
MAX_EARLY: Final = 32
"""Transient events that wait for `status.bulk`; more are shed."""


class Connection:
    """One socket of one user. Implements `attachment.Listener`.

    Deliveries are held from the start, and again whenever one is missing, until the inbox has been read: then they
    follow what was read, without repeats.
    """

    __slots__ = (
        "_bulks",
        "_early",
        "_held",
        "_keeper",
        "_protocol",
        "_tag",
        "began_ms",
        "check_at",
        "close_code",
        "commands",
        "commands_since",
        "expires_at",
        "expiry_told",
        "flight",
        "flight_since",
        "heard_at",
        "id",
        "issued_at",
        "offset",
        "ping_at",
        "pong_at",
        "session",
        "typing",
        "typing_ended",
        "unseen",
        "user_id",
    )

    def __init__(self, keeper: "Keeper[Connection]", session: Session, principal: Principal) -> None:
        now = time.monotonic()
        self._keeper = keeper
        self._protocol: GatewayProtocol | None = None
        self._held: list[relay.Delivery] | None = []
        self._tag = ""
        self._early: list[bytes] | None = []
        self._bulks = 0
        self.session = session
        self.id = session.connection_id
        self.user_id = session.user_id
        self.began_ms = int(session.wall_clock() * 1000)
        self.issued_at = principal.issued_at
        self.expires_at = principal.expires_at
        self.expiry_told = False
        self.close_code: int | None = None
        self.offset = 0
        self.heard_at = self.pong_at = self.ping_at = now
        self.check_at = 0.0
        self.commands: list[relay.Command] = []
        self.commands_since = self.flight_since = 0.0
        self.flight: int | None = None
        self.typing: dict[str, tuple[float, float, int]] | None = None
        self.typing_ended: tuple[str, float] | None = None
        self.unseen: list[tuple[float, bytes]] | None = None

    # --- state ---------------------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> str:
        """The id of the inbox entry that the client has got last."""
        return f"{self.offset}-{self._tag}"

    @property
    def live(self) -> bool:
        """True while events pass through; False while the inbox is read."""
        return self._held is None

    @property
    def has_snapshot(self) -> bool:
        """True when `status.bulk` is there, or has been waited for long enough."""
        return self._early is None

    @property
    def closed(self) -> bool:
        """True before the connection is open, and after it has ended."""
        return self._protocol is None

    @property
    def busy(self) -> bool:
        """True while a command of the connection waits for its answer."""
        return self.flight is not None or bool(self.commands)

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
        """Hold deliveries back until `settle`."""
        if self._held is None:
            self._held = []

    def resume(self, recovery_result: RecoveryResult) -> None:
        """Go on from what was read from the inbox: its events, then what was held meanwhile."""
        if self._protocol is None:
            return
        if recovery_result.revokes(self.issued_at):
            # The order to close went by while the link was cut.
            self.close(CloseCode.TOKEN_EXPIRED)
            return
        if recovery_result.events:
            metrics.EVENTS_OUT.counts["replayed"] += len(recovery_result.events)
            self._protocol.send_buffer.write_at_once(b"".join(map(text_frame, recovery_result.events)))
            self._keeper.on_replayed(self, recovery_result.events)
        self.offset = recovery_result.offset
        self._tag = recovery_result.tag
        held, self._held = self._held, None
        for delivery in held or ():
            self.deliver(Burst.of([delivery]))

    def deliver(self, burst: Burst) -> None:
        """Write durable events that follow one another, except those that the client has; hold them when one before them is
        missing.
        """
        first, last = burst.deliveries[0].offset, burst.deliveries[-1].offset
        if self._held is not None:
            self._hold_back(burst.deliveries)
        elif first == self.offset + 1:
            self.offset = last
            self._tag = burst.deliveries[-1].tag
            metrics.EVENTS_OUT.counts["durable"] += len(burst.deliveries)
            self._write(*burst.frames)
            for delivery, text in zip(burst.deliveries, burst.texts, strict=True):
                if delivery.notifiable:
                    self._keeper.on_written(self, text)
        elif first > self.offset:
            self._held = list(burst.deliveries)
            self._keeper.on_gap(self)
        elif last > self.offset:
            self.deliver(Burst.of([delivery for delivery in burst.deliveries if delivery.offset > self.offset]))

    def send(self, text: bytes) -> None:
        """Write an event for this connection alone."""
        if self._protocol is not None:
            metrics.EVENTS_OUT.counts["direct"] += 1
            self._write(text_frame(text))

    def send_transient(self, frame: bytes, about: str = "") -> None:
        """Write an event that may be shed; before `status.bulk` it waits.

        What tells of another's presence (`about`) doesn't wait: the bulk, which is read later, says it.
        """
        if self._early is not None:
            if about in ("", self.user_id) and len(self._early) < MAX_EARLY:
                self._early.append(frame)
        elif self._protocol is not None:
            metrics.EVENTS_OUT.counts["transient"] += 1
            self._protocol.send_buffer.write(frame, transient=True)

    def on_bulk(self, parts: int) -> None:
        """One of the `parts` of `status.bulk` was written."""
        self._bulks += 1
        if self._bulks >= parts:
            self.release_transients()

    def release_transients(self) -> None:
        """Let transient events pass: `status.bulk` is there, or has been waited for long enough."""
        early, self._early = self._early, None
        for frame in early or ():
            self.send_transient(frame)

    def ping(self) -> None:
        """Send a WebSocket ping."""
        if self._protocol is not None:
            self._protocol.ping()

    def rest(self) -> None:
        """Read nothing for a while."""
        if self._protocol is not None:
            self._protocol.rest()

    def renew(self, principal: Principal) -> None:
        """A newer token counts from now."""
        self.issued_at = principal.issued_at
        self.expires_at = principal.expires_at
        self.expiry_told = False

    def close(self, code: CloseCode) -> None:
        """Close with `code`, or refuse to open."""
        self.close_code = code
        if self._protocol is not None:
            self._protocol.close_with(code)

    # --- up: what the protocol tells ---------------------------------------------------------------------------------------

    def on_text(self, data: bytes) -> None:
        """A frame of the contract."""
        now = time.monotonic()
        self.heard_at = now
        self.unseen = None
        try:
            for action in self.session.on_frame(data, now):
                self._keeper.act(self, action, now)
        except Exception:
            self._answer_bug()

    def on_binary(self) -> None:
        """A frame that the contract doesn't know."""
        now = time.monotonic()
        self.heard_at = now
        self.unseen = None
        for action in self.session.on_binary(now):
            self._keeper.act(self, action, now)

    def on_ping(self) -> None:
        """A sign of life. The heartbeat counts pongs alone: those show that the peer reads."""
        self.heard_at = time.monotonic()
        self.unseen = None

    def on_pong(self) -> None:
        """The peer lives."""
        self.heard_at = self.pong_at = time.monotonic()
        self.unseen = None
        self._keeper.on_pong(self)

    def on_paused(self) -> None:
        """The peer doesn't read as fast as we write."""
        self._keeper.on_paused(self)

    def on_shed(self) -> None:
        """What the peer shows of its friends may be out of date."""
        self._keeper.on_shed(self)

    def on_lost(self, code: int | None, clean: bool) -> None:
        """The socket is gone, or as good as gone."""
        self._protocol = None
        if clean:
            # A close handshake is a sign of life as well.
            self.unseen = None
        self._keeper.on_lost(self, code, clean)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _answer_bug(self) -> None:
        """A fault of ours in handling a frame: the client may send it again, and we can find out why."""
        error_id = uuid.uuid4().hex
        log.exception("frame.failed", error_id=error_id, connection_id=self.id, user_id=self.user_id)
        self.send(json_encoder.encode(error_event(ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")))

    def _write(self, *frames: bytes) -> None:
        if self._protocol is not None and not self._protocol.send_buffer.write(*frames):
            self.close(CloseCode.SLOW_CONSUMER)

    def _hold_back(self, deliveries: Sequence[relay.Delivery]) -> None:
        assert self._held is not None
        self._held += deliveries
        if len(self._held) > MAX_HELD:
            self._held.clear()
            self.close(CloseCode.OVERLOADED)
