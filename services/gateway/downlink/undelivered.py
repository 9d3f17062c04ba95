"""Messages that were written to a connection without a sign of life since then. They are reported to the notifier, for a push."""

import asyncio
import math
import time
from collections import deque
from datetime import datetime
from typing import Final

import msgspec
import structlog

from services.gateway import metrics
from services.gateway.registry.connections import ConnectionRegistry
from services.gateway.session.connection import Connection
from services.gateway.session.unseen import UnseenMessages
from shared.protocol import relay, server
from shared.protocol.bodies import bodies_of
from shared.protocol.topology import NOTIFIER_UNDELIVERED, NOTIFIER_WAITING
from shared.rabbitmq import PUBLISH_ERRORS, Publisher
from shared.redis import REDIS_ERRORS
from shared.redis.previews import Previews

log = structlog.get_logger(__name__)

PROBE_SECONDS: Final = 1.5
"""An idle connection gets a ping this long after a message was written to it."""
PROBE_PART: Final = 0.3
"""The same as a part of the push delay; the shorter one counts."""
MAX_REPORTS: Final = 10_000
RETRY_SECONDS: Final = 1.0
REPORT_BATCH: Final = 200


class _Sender(msgspec.Struct, rename="camel"):
    id: str
    username: str
    display_name: str = ""


class _Message(msgspec.Struct, rename="camel"):
    id: str
    conversation_id: str
    seq: int
    type: str
    content: str | None
    created_at: str
    sender: _Sender | None = None


class _Payload(msgspec.Struct):
    message: _Message


class _MessageNew(msgspec.Struct):
    """What a report needs of a `message.new`."""

    payload: _Payload


_decoder: Final = msgspec.json.Decoder(_MessageNew)
_BEGINNING: Final = f'{{"type":"{server.MessageNew.__struct_config__.tag}"'.encode()
"""The text of every `message.new` begins with this."""


class UndeliveredTracker:
    """Watches connections between a message and their next frame or pong, and reports messages that stay unseen."""

    def __init__(
        self, registry: ConnectionRegistry, publisher: Publisher, previews: Previews, push_delay_seconds: float
    ) -> None:
        self._registry = registry
        self._publisher = publisher
        self._previews = previews
        self._delay = push_delay_seconds
        self._queue = NOTIFIER_UNDELIVERED
        self._probe = min(PROBE_SECONDS, push_delay_seconds * PROBE_PART)
        self._watched: dict[Connection, bool] = {}
        self._stale: deque[relay.DurableEvent] = deque(maxlen=MAX_REPORTS)
        self._reports: deque[relay.Undelivered] = deque()
        self._any_report = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()

    @property
    def watching(self) -> int:
        """Return how many connections got a message and have given no sign of life since."""
        return len(self._watched)

    @property
    def idle(self) -> bool:
        """True when every report is sent."""
        return self._all_sent.is_set()

    def written(self, connection: Connection, texts: list[bytes]) -> None:
        """Watch messages that were written to `connection`."""
        unseen = connection.unseen
        if unseen is None:
            unseen = connection.unseen = UnseenMessages()
            self._watched[connection] = False
        unseen.add(texts, time.monotonic())

    def replayed(self, connection: Connection, events: list[bytes]) -> None:
        """Watch missed events that were written to `connection`. Its handshake came before them, so it is no sign of life."""
        for event in events:
            if event.startswith(_BEGINNING) and event not in (connection.unseen or ()):
                self.written(connection, [event])

    def no_connection(self, event: relay.DurableEvent) -> None:
        """Report an event for a user without a connection here, and remove the stale route."""
        self._stale.append(event)
        self._wake()

    def inherited(self, user_id: str, connection_id: str, text: bytes, since: float) -> None:
        """Report an event of the inbox that a dead gateway may have written to a connection.

        Ignores everything but messages that were created after `since` (Unix seconds).
        """
        if text.startswith(_BEGINNING):
            message = _read(text + b"}")
            if message is not None and datetime.fromisoformat(message.created_at).timestamp() >= since:
                self._report(message, user_id, [connection_id], "gateway died")

    async def sent(self) -> None:
        """Wait until every report is sent."""
        await self._all_sent.wait()

    def sweep(self, now: float) -> None:
        """Ping idle connections, and report what was not seen within the push delay, but never before a ping was sent."""
        due: dict[bytes, list[Connection]] = {}
        for connection, probed in list(self._watched.items()):
            unseen = connection.unseen
            if unseen is None:
                del self._watched[connection]
            elif probed:
                self._collect(connection, unseen, now, due)
            elif now - unseen.since >= self._probe:
                self._watched[connection] = True
                connection.ping()
        self._report_due(due)

    def give_up(self) -> None:
        """Report all unseen messages, because the process ends. Each push is still delayed: clients may reconnect elsewhere."""
        self._queue = NOTIFIER_WAITING
        due: dict[bytes, list[Connection]] = {}
        for connection in list(self._watched):
            self._collect(connection, connection.unseen or UnseenMessages(), math.inf, due)
        self._report_due(due)

    def _report_due(self, due: "dict[bytes, list[Connection]]") -> None:
        for text, connections in due.items():
            self._report_text(text, connections[0].user_id, [connection.id for connection in connections], "silent")

    def _collect(
        self,
        connection: Connection,
        unseen: UnseenMessages,
        now: float,
        due: "dict[bytes, list[Connection]]",
    ) -> None:
        """Move the connection's overdue messages to `due`; what is younger stays watched."""
        while unseen and now - unseen.since >= self._delay:
            due.setdefault(unseen.pop(), []).append(connection)
            self._watched[connection] = False
        if not unseen:
            connection.unseen = None
            del self._watched[connection]

    async def run(self) -> None:
        """Send reports, and remove stale routes. Never returns."""
        while True:
            await self._any_report.wait()
            self._any_report.clear()
            while self._stale:
                await self._handle_stale_route(self._stale.popleft())
            while self._reports:
                await self._send_reports()
            if not self._stale:
                self._all_sent.set()

    async def _handle_stale_route(self, event: relay.DurableEvent) -> None:
        if event.notifiable:
            self._report_text(event.json.encode(), event.user_id, [], "stale route")
        try:
            await self._registry.prune(event.user_id)
        except REDIS_ERRORS as error:
            log.warning("routes.not_pruned", user_id=event.user_id, error=repr(error))

    async def _send_reports(self) -> None:
        batch = [self._reports[index] for index in range(min(REPORT_BATCH, len(self._reports)))]
        try:
            waits = self._delay if self._queue is NOTIFIER_WAITING else None
            for body in bodies_of(await self._previews.keep(batch), relay.UndeliveredBatch, NOTIFIER_UNDELIVERED):
                await self._publisher.publish(self._queue, body, expiration_seconds=waits)
        except (*PUBLISH_ERRORS, *REDIS_ERRORS) as error:
            log.warning("undelivered.not_reported", messages=len(self._reports), error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            return
        for _ in batch:
            self._reports.popleft()

    def _report_text(self, text: bytes, receiver_id: str, silent: list[str], reason: str) -> None:
        message = _read(text)
        if message is not None:
            self._report(message, receiver_id, silent, reason)

    def _report(self, message: _Message, receiver_id: str, silent: list[str], reason: str) -> None:
        if len(self._reports) >= MAX_REPORTS:
            metrics.UNDELIVERED.labels("dropped").inc()
            return
        metrics.UNDELIVERED.labels(reason).inc()
        self._reports.append(_undelivered(message, receiver_id, silent))
        self._wake()

    def _wake(self) -> None:
        self._all_sent.clear()
        self._any_report.set()


def _read(text: bytes) -> _Message | None:
    try:
        return _decoder.decode(text).payload.message
    except msgspec.DecodeError as error:
        log.error("undelivered.undecodable", error=str(error))
        return None


def _undelivered(message: _Message, receiver_id: str, silent: list[str]) -> relay.Undelivered:
    # A system message has no sender.
    sender = message.sender or _Sender("", "")
    return relay.Undelivered(
        message_id=message.id,
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=sender.id,
        sender_username=sender.username,
        receiver_id=receiver_id,
        type=message.type,
        preview=(message.content or "")[: relay.MAX_PREVIEW_CHARACTERS],
        created_at_ms=round(datetime.fromisoformat(message.created_at).timestamp() * 1000),
        silent_connections=silent,
        sender_name=sender.display_name,
    )
