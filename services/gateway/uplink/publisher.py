"""Publishes commands to messaging in batches, with at most two publishes at a time.

Commands that arrive while both are under way form the next batch: an idle gateway sends one command at once, a busy one
dozens.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from services.gateway import metrics
from services.gateway.session.connection import Connection
from services.gateway.uplink.batch_linger import BatchLinger
from services.gateway.uplink.batches import Batch, Batches
from services.gateway.uplink.command_rate_limit import CommandRateLimit
from services.gateway.uplink.error_replies import ErrorReplies
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import MESSAGING_CHANGES, Queue
from shared.rabbitmq import TRANSIENT_ERRORS, BrokerUnavailable, Publisher
from shared.tracing import headers_of, ids_of, name_ids, span

if TYPE_CHECKING:
    from opentelemetry.trace import Span


log = structlog.get_logger(__name__)

CONCURRENT_PUBLISHES: Final = 2
"""Publishes in flight at once."""


class CommandPublisher:
    """Sends the commands of all connections. Run `publish_forever` `CONCURRENT_PUBLISHES` times."""

    def __init__(
        self,
        gateway_id: str,
        publisher: Publisher,
        queues: Sequence[Queue],
        rate_limit: CommandRateLimit,
        *,
        error_replies: ErrorReplies,
        linger: BatchLinger,
    ) -> None:
        self._gateway_id = gateway_id
        self._publisher = publisher
        self._queues = queues
        self._rate_limit = rate_limit
        self._error_replies = error_replies
        self._linger = linger
        self._batches = Batches()
        self._sleeping: deque[asyncio.Future[None]] = deque()
        """One for each publishing task that waits for commands."""
        self._gathering = False

    @property
    def idle(self) -> bool:
        """True when every command is answered."""
        return self._batches.idle

    def submit(self, connection: Connection, command: relay.Command, now: float) -> None:
        """Send a command of `connection` with its next batch."""
        if self._batches.add(connection, command, now):
            if self._sleeping:
                self._wake()
        else:
            self._error_replies.overrun(command)

    def complete(self, batch_ids: Iterable[int]) -> None:
        """Complete batches that messaging has finished."""
        self._batches.complete(batch_ids, time.monotonic())
        self._wake()

    def expire(self, now: float) -> None:
        """Give up what has waited too long. Call it every second or so."""
        stale = self._batches.expire(now)
        if stale:
            self._error_replies.send_failed(stale, "unanswered")
            self._wake()

    def left_before(self, at: float) -> list[int]:
        """Return which batches left before `at` (monotonic seconds) and are not answered yet."""
        return self._batches.left_before(at)

    def give_up(self, batch_ids: Iterable[int]) -> None:
        """Give up batches whose answers were lost."""
        for batch_id in batch_ids:
            self._fail(batch_id, "answer lost")
        self._wake()

    async def publish_forever(self) -> None:
        """Publish batch after batch. Never returns."""
        while True:
            if self._gathering or not self._batches.waiting:
                await self._sleep()
            self._gathering = True
            pause = self._linger.pause(time.monotonic())
            if pause:
                await asyncio.sleep(pause)
            batch = self._batches.take(time.monotonic())
            self._gathering = False
            self._wake()
            if batch is not None:
                self._linger.observe(len(batch.commands), batch.at)
                await self._send(batch)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Wake a publishing task when something waits, unless one collects a batch already."""
        if self._sleeping and not self._gathering and self._batches.waiting:
            self._gathering = True
            self._sleeping.popleft().set_result(None)

    async def _sleep(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleeping.append(future)
        await future

    async def _send(self, batch: Batch) -> None:
        try:
            batch.commands = await self._rate_limit.admit(batch.commands)
            if not batch.commands:
                self._batches.end(batch.id)
                return
            metrics.BATCH_COMMANDS.observe(len(batch.commands))
            body = msgpack_encoder.encode(relay.CommandBatch(self._gateway_id, batch.id, batch.commands))
            # Any queue keeps the order, because a connection never has more than one batch under way.
            queue = MESSAGING_CHANGES if batch.changes else self._queues[batch.id % len(self._queues)]
            waited = time.monotonic() - batch.members[0].batched_since
            with span("gateway.commands", "producer", seconds_ago=waited) as traced:
                if traced is not None:
                    _name(traced, batch.commands)
                await self._publisher.publish(queue, body, headers=headers_of(traced))
        except BrokerUnavailable:
            self._fail(batch.id, "broker unavailable")
        except TRANSIENT_ERRORS as error:
            log.warning("commands.not_published", commands=len(batch.commands), error=repr(error))
            self._fail(batch.id, "publish failed")

    def _fail(self, batch_id: int, reason: str) -> None:
        """Answer a batch's commands with send_failed: whether they were stored is unknown."""
        batch = self._batches.end(batch_id)
        if batch is not None:
            self._error_replies.send_failed(batch.commands, reason)


def _name(traced: "Span", commands: Iterable[relay.Command]) -> None:
    """Record on a span the users, conversations and temporary ids of its commands."""
    commands = list(commands)
    name_ids(
        traced,
        user_ids=(command.user_id for command in commands),
        conversation_ids=ids_of("conversation_id", commands),
        temp_ids=ids_of("temp_id", commands),
    )
