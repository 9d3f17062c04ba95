"""Takes command batches from the queue, a cycle's worth at a time, and acknowledges them when all is done."""

import asyncio
import random
from collections import deque
from typing import Final

import msgspec
import structlog
from aio_pika.abc import AbstractIncomingMessage

from services.messaging.cycle import Cycle
from shared import postgres, rabbitmq, redis
from shared.protocol.relay import CommandBatch, command_batch_decoder
from shared.rabbitmq import Consumer

log = structlog.get_logger(__name__)

TRANSIENT_ERRORS: Final = (
    *postgres.TRANSIENT_ERRORS,
    *redis.TRANSIENT_ERRORS,
    *rabbitmq.TRANSIENT_ERRORS,
    rabbitmq.BrokerUnavailable,
)
MAX_BACKOFF_SECONDS: Final = 2.0

Taken = tuple[AbstractIncomingMessage, CommandBatch]


class CommandConsumer:
    """Runs one cycle after the other. What can't be decoded goes to the dead letters."""

    def __init__(self, consumer: Consumer, cycle: Cycle, max_commands: int) -> None:
        self._consumer = consumer
        self._cycle = cycle
        self._max_commands = max_commands
        self._waiting: deque[Taken] = deque()

    async def run(self) -> None:
        """Handle commands until cancelled; a cycle under way is finished first."""
        while True:
            if not self._waiting:
                await self._fill(await self._consumer.take(1_000_000))
            if self._waiting:
                await asyncio.shield(self._run_cycle(self._next()))

    async def _fill(self, messages: list[AbstractIncomingMessage]) -> None:
        for message in messages:
            try:
                self._waiting.append((message, command_batch_decoder.decode(message.body)))
            except msgspec.MsgspecError as error:
                log.error("command.undecodable", reason=str(error), size=len(message.body))
                await rabbitmq.reject(message)

    def _next(self) -> list[Taken]:
        taken, commands = [], 0
        while self._waiting and commands < self._max_commands:
            taken.append(self._waiting.popleft())
            commands += len(taken[-1][1].commands)
        return taken

    async def _run_cycle(self, taken: list[Taken]) -> None:
        batches = [batch for _, batch in taken]
        attempt = 0
        while True:
            try:
                await self._cycle.run(batches)
                break
            except TRANSIENT_ERRORS as error:
                log.warning("cycle.held", error=repr(error), attempt=attempt)
            attempt = min(attempt + 1, 6)
            await asyncio.sleep(random.uniform(0.02, min(MAX_BACKOFF_SECONDS, 0.05 * 2**attempt)))  # noqa: S311
        await rabbitmq.acknowledge([message for message, _ in taken])
