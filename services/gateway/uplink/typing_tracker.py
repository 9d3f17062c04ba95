"""Who types where on this gateway: repeats are swallowed, and an end is told that the client didn't tell."""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from services.gateway import metrics
from shared.protocol import limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import MESSAGING_SIGNALS
from shared.rabbitmq import TRANSIENT_ERRORS, BrokerUnavailable, Publisher

if TYPE_CHECKING:
    from services.gateway.session.connection import Connection

MAX_WAITING: Final = 512
"""Signals that may wait for the broker; more are dropped, for a late one is of no use."""
MAX_CONVERSATIONS: Final = 16
"""Conversations that one connection may type in at once."""


class TypingTracker:
    """Typing indicators: from frames to signals.

    A connection's are `{conversation id: (last told at, ends at, stamp of the last beginning)}`; of the last one that its client
    or a message ended, it knows the conversation id and when.
    """

    def __init__(self, publisher: Publisher, gateway_id: str) -> None:
        self._publisher = publisher
        self._gateway_id = gateway_id
        self._signals: deque[relay.Typing] = deque()
        self._any_signal = asyncio.Event()
        self._active: set[Connection] = set()
        self._stamp = 0

    def on_signal(self, connection: "Connection", signal: relay.Typing, now: float) -> None:
        """The client says that its user began or ended to type."""
        if not signal.active:
            self._on_stop(connection, signal, now)
            return
        typing = connection.typing
        if typing is None:
            typing = connection.typing = {}
        told_at = typing.get(signal.conversation_id, (0.0, 0.0, 0))[0]
        if signal.conversation_id not in typing and len(typing) >= MAX_CONVERSATIONS:
            return
        signal.at_ms = self._next_stamp()
        if now - told_at >= limits.TYPING_REPEAT_SECONDS:
            told_at = now
            self._enqueue(signal)
        typing[signal.conversation_id] = (told_at, now + limits.TYPING_SECONDS, signal.at_ms)
        self._active.add(connection)

    def stop(self, connection: "Connection", conversation_id: str, now: float, asker: str = "") -> None:
        """The user no longer types: its message was sent, or it says so (`asker`: by this connection)."""
        if connection.typing and conversation_id in connection.typing:
            connection.typing_ended = (conversation_id, now)
            self._end(connection, conversation_id, self._next_stamp(), asker)

    def stop_all(self, connection: "Connection") -> None:
        """The connection is gone. Another device of the user may type on."""
        for conversation_id, (_, _, began) in list((connection.typing or {}).items()):
            self._end(connection, conversation_id, began)

    def sweep(self, now: float) -> None:
        """End what was not repeated in time."""
        for connection in list(self._active):
            for conversation_id, (_, ends_at, began) in list((connection.typing or {}).items()):
                if now >= ends_at:
                    self._end(connection, conversation_id, began)

    async def run(self) -> None:
        """Publish signals as they come, without persistence. Never returns."""
        while True:
            await self._any_signal.wait()
            self._any_signal.clear()
            signals = list(self._signals)
            self._signals.clear()
            body = msgpack_encoder.encode(relay.SignalBatch(signals, self._gateway_id))
            try:
                await self._publisher.publish(MESSAGING_SIGNALS, body, persistent=False)
            except (BrokerUnavailable, *TRANSIENT_ERRORS):
                metrics.SIGNALS_DROPPED.inc(len(signals))

    def _on_stop(self, connection: "Connection", signal: relay.Typing, now: float) -> None:
        """An end where nothing began is told as well, for it may need an answer; unless it repeats another."""
        conversation_id = signal.conversation_id
        if connection.typing and conversation_id in connection.typing:
            self.stop(connection, conversation_id, now, signal.connection_id)
            return
        ended, at = connection.typing_ended or ("", 0.0)
        if ended != conversation_id or now - at >= limits.TYPING_REPEAT_SECONDS:
            connection.typing_ended = (conversation_id, now)
            signal.at_ms = relay.ENDS_NOTHING
            self._enqueue(signal)

    def _end(self, connection: "Connection", conversation_id: str, at_ms: int, asker: str = "") -> None:
        typing = connection.typing or {}
        del typing[conversation_id]
        self._enqueue(relay.Typing(connection.user_id, conversation_id, False, at_ms, asker))
        if not typing:
            connection.typing = None
            self._active.discard(connection)

    def _next_stamp(self) -> int:
        """Unix ms, and more than the last: what one replica of messaging does after another can be told apart."""
        self._stamp = max(self._stamp + 1, int(time.time() * 1000))
        return self._stamp

    def _enqueue(self, signal: relay.Typing) -> None:
        if len(self._signals) >= MAX_WAITING:
            metrics.SIGNALS_DROPPED.inc()
            return
        self._signals.append(signal)
        self._any_signal.set()
