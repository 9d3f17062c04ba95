"""Tracks who types where on this gateway: drops repeats, and sends a `typing.stop` that a client left out."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from services.gateway import metrics
from services.gateway.session.connection import Connection
from services.gateway.session.typing_state import Indicator, TypingState
from services.gateway.uplink.direct_typing import DirectTyping
from shared.protocol import limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import MESSAGING_SIGNALS
from shared.rabbitmq import PUBLISH_ERRORS, Publisher

MAX_WAITING: Final = 512
"""Signals that may wait for Redis or the broker. More are dropped, because a late signal is useless."""
MAX_CONVERSATIONS: Final = 16
"""Conversations that one connection may type in at once."""


class TypingTracker:
    """Typing indicators of all connections: from frames to signals. `now_ms`: Unix ms by Redis' clock."""

    def __init__(self, publisher: Publisher, gateway_id: str, now_ms: Callable[[], int], direct: DirectTyping) -> None:
        self._now_ms = now_ms
        self._direct = direct
        self._publisher = publisher
        self._gateway_id = gateway_id
        self._signals: deque[relay.Typing] = deque()
        self._any_signal = asyncio.Event()
        self._active: set[Connection] = set()
        self._stamp = 0

    def on_signal(self, connection: Connection, signal: relay.Typing, now: float) -> None:
        """Handle a client's `typing.start` or `typing.stop`."""
        state = connection.typing
        if state is None:
            state = connection.typing = TypingState()
        if not signal.active:
            self._on_stop(connection, state, signal, now)
            return
        indicator = state.indicators.get(signal.conversation_id)
        if indicator is None and len(state.indicators) >= MAX_CONVERSATIONS:
            return
        signal.at_ms = self._next_stamp()
        sent_at = indicator.sent_at if indicator else -math.inf
        if now - sent_at >= limits.TYPING_REPEAT_SECONDS:
            sent_at = now
            self._enqueue(signal)
        state.indicators[signal.conversation_id] = Indicator(sent_at, now + limits.TYPING_SECONDS, signal.at_ms)
        self._active.add(connection)

    def stop(self, connection: Connection, conversation_id: str, now: float, asker: str = "") -> None:
        """End typing: the user's message was sent, or connection `asker` says so."""
        state = connection.typing
        if state is not None and conversation_id in state.indicators:
            state.ended = (conversation_id, now)
            self._end(connection, state, conversation_id, self._next_stamp(), asker)

    def stop_all(self, connection: Connection) -> None:
        """End all typing of an ended connection. Another device of the user may still type."""
        state = connection.typing
        if state is not None:
            for conversation_id, indicator in list(state.indicators.items()):
                self._end(connection, state, conversation_id, indicator.stamp)

    def sweep(self, now: float) -> None:
        """End typing that was not repeated in time."""
        for connection in list(self._active):
            state = connection.typing
            for conversation_id, indicator in list(state.indicators.items()) if state else ():
                if state and now >= indicator.ends_at:
                    self._end(connection, state, conversation_id, indicator.stamp)

    async def run(self) -> None:
        """Carry signals out as they come, or publish them without persistence. Never returns."""
        while True:
            await self._any_signal.wait()
            self._any_signal.clear()
            signals = list(self._signals)
            self._signals.clear()
            signals = await self._direct.carry_out(signals)
            if not signals:
                continue
            body = msgpack_encoder.encode(relay.SignalBatch(signals, self._gateway_id))
            try:
                await self._publisher.publish(MESSAGING_SIGNALS, body, persistent=False)
            except PUBLISH_ERRORS:
                metrics.SIGNALS_DROPPED.inc(len(signals))

    def _on_stop(self, connection: Connection, state: TypingState, signal: relay.Typing, now: float) -> None:
        """Send an end even where nothing began, because it may need an answer, but not when it repeats another one."""
        conversation_id = signal.conversation_id
        if conversation_id in state.indicators:
            self.stop(connection, conversation_id, now, signal.connection_id)
            return
        ended, at = state.ended
        if ended != conversation_id or now - at >= limits.TYPING_REPEAT_SECONDS:
            state.ended = (conversation_id, now)
            signal.at_ms = relay.ENDS_NOTHING
            self._enqueue(signal)

    def _end(
        self, connection: Connection, state: TypingState, conversation_id: str, at_ms: int, asker: str = ""
    ) -> None:
        del state.indicators[conversation_id]
        self._enqueue(relay.Typing(connection.user_id, conversation_id, False, at_ms, asker))
        if not state.indicators:
            self._active.discard(connection)

    def _next_stamp(self) -> int:
        """Return Unix ms by Redis' clock, always more than the last: replicas of messaging order signals by it."""
        self._stamp = max(self._stamp + 1, self._now_ms())
        return self._stamp

    def _enqueue(self, signal: relay.Typing) -> None:
        if len(self._signals) >= MAX_WAITING:
            metrics.SIGNALS_DROPPED.inc()
            return
        self._signals.append(signal)
        self._any_signal.set()
