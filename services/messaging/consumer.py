"""Takes command batches from the queue, a cycle's worth at a time, and acknowledges them when all is done."""

import asyncio
import time
from collections import deque
from typing import Final, NamedTuple

import msgspec
import structlog

from services.messaging import metrics
from services.messaging.cycle import Cycle
from services.messaging.deadletters import DeadLetters
from services.messaging.faults import FaultPoint, Faults
from services.messaging.outage import outlast
from shared.amqp import Delivery
from shared.pace import Pace
from shared.protocol.relay import CommandBatch, command_batch_decoder
from shared.protocol.topology import DEAD_REASON_HEADER, DEATH_HEADER
from shared.rabbitmq import Consumer
from shared.tracing import parent_of, span, traceparent_of

log = structlog.get_logger(__name__)

ALL: Final = 1_000_000
ENOUGH_COMMANDS: Final = 128
"""A cycle of so many gains little by waiting for more."""
WORTHWHILE_COMMANDS: Final = 16
"""A pause before a cycle pays when it collects so many. Gateways pause already, so below that it would only add latency."""


class Taken(NamedTuple):
    """A delivery, what it says, and when it came (monotonic seconds)."""

    message: Delivery
    batch: CommandBatch
    at: float


class CommandConsumer:
    """Runs one cycle after the other. What can't be handled goes to the dead letters."""

    def __init__(
        self, consumer: Consumer, cycle: Cycle, dead_letters: DeadLetters, faults: Faults, pace: Pace, max_commands: int
    ) -> None:
        self._consumer = consumer
        self._cycle = cycle
        self._dead_letters = dead_letters
        self._faults = faults
        self._pace = pace
        self._max_commands = max_commands
        self._waiting: deque[Taken] = deque()
        self._working = asyncio.Lock()

    async def run(self) -> None:
        """Handle commands. Never returns."""
        while True:
            if not self._waiting:
                await self._fill()
            taken = self._next()
            if taken:
                async with self._working:
                    await self._run_cycle(taken)

    async def drain(self) -> None:
        """Wait for the cycle under way; no other begins. What was taken since, the broker gives to another replica."""
        await self._working.acquire()
        self._consumer.acknowledge_done()

    async def _fill(self) -> None:
        """Wait for deliveries, under load a little longer for more of them, unless enough came at once."""
        commands = await self._decode(await self._consumer.take(ALL))
        pause = self._pace.pause(time.monotonic()) if commands < ENOUGH_COMMANDS else 0.0
        if pause:
            await asyncio.sleep(pause)
            await self._decode(self._consumer.take_waiting(ALL))

    async def _decode(self, messages: list[Delivery]) -> int:
        """Let `messages` wait for a cycle; returns how many commands are in them."""
        now = time.monotonic()
        commands = 0
        for message in messages:
            try:
                batch = command_batch_decoder.decode(message.body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                await self._dead_letters.bury(message, f"undecodable: {error}")
            else:
                batch.again = _was_handled(message)
                self._waiting.append(Taken(message, batch, now))
                commands += len(batch.commands)
        metrics.REDELIVERED.inc(sum(message.redelivered for message in messages))
        return commands

    def _next(self) -> list[Taken]:
        taken: list[Taken] = []
        commands = 0
        while self._waiting and commands < self._max_commands:
            taken.append(self._waiting.popleft())
            commands += len(taken[-1].batch.commands)
        return taken

    async def _run_cycle(self, taken: list[Taken]) -> None:
        started = time.monotonic()
        commands = sum(len(batch.commands) for _, batch, _ in taken)
        with span("messaging.cycle", "consumer", parent_of(message.headers for message, _, _ in taken)) as traced:
            await self._handle(taken, traceparent_of(traced))
        now = time.monotonic()
        self._pace.observe(commands, now)
        metrics.CYCLE_COMMANDS.observe(commands)
        metrics.QUEUE_SECONDS.observe(started - taken[0].at)
        metrics.CYCLE_SECONDS.observe(now - started)

    async def _handle(self, taken: list[Taken], trace: str | None) -> None:
        """Handle what was taken; when that fails for good, each batch alone, and bury those that fail again."""
        batches = [batch for _, batch, _ in taken]
        try:
            await outlast(lambda: self._cycle.run(batches, trace))
        except Exception as error:
            log.exception("cycle.failed", batches=len(taken))
            if len(taken) == 1:
                await self._dead_letters.bury(taken[0].message, repr(error))
                return
            for one in taken:
                await self._handle([one], trace)
            return
        self._faults.reach(FaultPoint.BEFORE_ACK)
        # Cycles come one after the other: everything older is settled.
        self._consumer.done(taken[-1].message)


def _was_handled(message: Delivery) -> bool:
    """Whether somebody may have handled it, in part: it was delivered before, or lay with the dead letters."""
    return message.redelivered or message.names(DEAD_REASON_HEADER) or message.names(DEATH_HEADER)
