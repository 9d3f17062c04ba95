"""Takes command batches from the queue, as many as one cycle handles, and acknowledges them after the cycle."""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from services.messaging import metrics
from services.messaging.cycle import Cycle
from services.messaging.dead_letters import DeadLetters
from services.messaging.failpoints import Failpoint, Failpoints
from shared.lifecycle import end_all
from shared.protocol.relay import CommandBatch, command_batch_decoder, is_newer
from shared.protocol.topology import DEAD_REASON_HEADER, DEATH_HEADER
from shared.rabbitmq import Consumer, Delivery, acknowledge
from shared.retry import retry_until_available
from shared.tracing import parent_of, span, traceparent_of

if TYPE_CHECKING:
    from services.messaging.moderation import Moderator

log = structlog.get_logger(__name__)

ALL: Final = 1_000_000
MAX_CYCLE_BYTES: Final = 128 * 1024
"""A cycle takes no further batch above this size: what it stores and sends is many times as large, and others wait meanwhile.

Five hundred messages of usual length are about 100 KB.
"""


class Taken(NamedTuple):
    """An AMQP message, and the batch in it."""

    message: Delivery
    batch: CommandBatch


class CommandConsumer:
    """Runs one cycle after another. A batch that can't be handled is dead-lettered."""

    def __init__(
        self,
        consumer: Consumer,
        cycle: Cycle,
        dead_letters: DeadLetters,
        failpoints: Failpoints,
        max_commands: int,
        moderator: "Moderator | None" = None,
    ) -> None:
        self._moderator = moderator
        self._judged = asyncio.Event()
        self._judging: set[asyncio.Task[None]] = set()
        self._consumer = consumer
        self._cycle = cycle
        self._dead_letters = dead_letters
        self._failpoints = failpoints
        self._max_commands = max_commands
        self._waiting: deque[Taken] = deque()
        self._working = asyncio.Lock()

    async def run(self) -> None:
        """Handle commands. Never returns. When it is cancelled, no batch is with the moderation hook any more."""
        try:
            while True:
                if not self._waiting:
                    await self._more()
                taken = self._next()
                if taken:
                    async with self._working:
                        await self._run_cycle(taken)
        finally:
            await end_all(self._judging)

    async def drain(self) -> None:
        """Wait for the current cycle, and start no other.

        The broker redelivers the batches that still wait here to another replica.
        """
        await self._working.acquire()
        self._consumer.acknowledge_done()

    async def _more(self) -> None:
        """Wait for AMQP messages, or for one that the moderation hook has judged."""
        if self._moderator is None:
            await self._decode(await self._consumer.take(ALL))
            return
        self._judged.clear()
        arrived = asyncio.create_task(self._consumer.take(ALL))
        judged = asyncio.create_task(self._judged.wait())
        try:
            await asyncio.wait({arrived, judged}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            judged.cancel()
            if not arrived.done():
                # `take` is one step: when it is cancelled, it has taken nothing.
                arrived.cancel()
        if arrived.done() and not arrived.cancelled():
            await self._decode(arrived.result())

    async def _judge(self, moderator: "Moderator", taken: Taken) -> None:
        """Have a batch moderated, while others go on. Order is kept: a connection never has two batches under way."""
        try:
            await moderator.judge(taken.batch)
        except Exception:
            log.exception("moderation.failed")
            moderator.fail(taken.batch)
        self._waiting.append(taken)
        self._judged.set()

    async def _decode(self, messages: list[Delivery]) -> None:
        """Decode `messages`, and queue them for a cycle."""
        for message in messages:
            try:
                batch = command_batch_decoder.decode(message.body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                await self._set_aside(message, f"undecodable: {error}")
            else:
                batch.again = _was_handled(message)
                self._admit(Taken(message, batch))
        metrics.REDELIVERED.inc(sum(message.redelivered for message in messages))

    async def _set_aside(self, message: Delivery, reason: str) -> None:
        """Remove a batch that can't be decoded here: leave it to a newer replica that can, or dead-letter it."""
        if is_newer(message.body) and await retry_until_available(
            "hand on", lambda: self._dead_letters.hand_on(message)
        ):
            return
        await self._dead_letters.add(message, reason)

    def _admit(self, taken: Taken) -> None:
        moderator = self._moderator
        if moderator is None or not moderator.concerns(taken.batch):
            self._waiting.append(taken)
            return
        task = asyncio.create_task(self._judge(moderator, taken))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    def _next(self) -> list[Taken]:
        taken: list[Taken] = []
        commands = size = 0
        while self._waiting and commands < self._max_commands and size < MAX_CYCLE_BYTES:
            taken.append(self._waiting.popleft())
            commands += len(taken[-1].batch.commands)
            size += len(taken[-1].message.body)
        return taken

    async def _run_cycle(self, taken: list[Taken]) -> None:
        started = time.monotonic()
        commands = sum(len(batch.commands) for _, batch in taken)
        with span("messaging.cycle", "consumer", parent_of(message.headers for message, _ in taken)) as traced:
            await self._handle(taken, traceparent_of(traced))
        now = time.monotonic()
        metrics.CYCLE_COMMANDS.observe(commands)
        metrics.QUEUE_SECONDS.observe(started - taken[0].message.at)
        metrics.CYCLE_SECONDS.observe(now - started)

    async def _handle(self, taken: list[Taken], trace: str | None) -> None:
        """Handle batches. If they fail permanently, handle each alone, and dead-letter those that fail again."""
        batches = [batch for _, batch in taken]
        try:
            await retry_until_available("commands", lambda: self._cycle.run(batches, trace))
        except Exception as error:
            log.exception("cycle.failed", batches=len(taken))
            if len(taken) == 1:
                await self._dead_letters.add(taken[0].message, repr(error))
                return
            for one in taken:
                await self._handle([one], trace)
            return
        self._failpoints.reach(Failpoint.BEFORE_ACK)
        if self._moderator is not None:
            # Moderation returns batches in any order.
            for message, _ in taken:
                acknowledge(message)
            return
        # Cycles run one after another, so everything older is acknowledged.
        self._consumer.done(taken[-1].message)


def _was_handled(message: Delivery) -> bool:
    """True when it may have been handled in part: it was redelivered, or moved back from the dead-letter queue."""
    return message.redelivered or message.names(DEAD_REASON_HEADER) or message.names(DEATH_HEADER)
