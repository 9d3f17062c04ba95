"""From AMQP messages to typed batches, handled in cycles: all that is waiting is one cycle."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec
import structlog
from aio_pika.abc import AbstractIncomingMessage

from services.presence import metrics
from services.presence.outage import outlast
from shared.rabbitmq import Consumer, acknowledge, reject

log = structlog.get_logger(__name__)

Batch = TypeVar("Batch")
MESSAGES_PER_CYCLE: Final = 32


class Intake(Generic[Batch]):
    """One queue's messages, decoded and handled in order. A message is acknowledged when all that it asks is done."""

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        decoder: msgspec.msgpack.Decoder[Batch],
        handle: Callable[[list[Batch]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._decoder = decoder
        self._handle = handle
        self._working = asyncio.Lock()

    async def run(self) -> None:
        """Handle messages for ever."""
        while True:
            messages = await self._consumer.take(MESSAGES_PER_CYCLE)
            async with self._working:
                with metrics.CYCLE_SECONDS.time():
                    await self._cycle(messages)

    async def drain(self) -> None:
        """Wait for the cycle under way; no other begins. What was taken since is delivered to another replica."""
        await self._working.acquire()

    async def _cycle(self, messages: list[AbstractIncomingMessage]) -> None:
        decoded = [(message, batch) for message in messages if (batch := await self._decode(message)) is not None]
        batches = [batch for _, batch in decoded]
        if not batches:
            return
        try:
            await outlast(self._name, lambda: self._handle(batches))
        except Exception as error:
            if len(decoded) == 1:
                await self._bury(decoded[0][0], repr(error))
                return
            log.exception("cycle.failed", messages=len(decoded))
            for message, _ in decoded:
                await self._cycle([message])
            return
        await acknowledge([message for message, _ in decoded])

    async def _decode(self, message: AbstractIncomingMessage) -> Batch | None:
        try:
            return self._decoder.decode(message.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            await self._bury(message, repr(error))
            return None

    async def _bury(self, message: AbstractIncomingMessage, reason: str) -> None:
        metrics.POISON.inc()
        log.error("message.poison", reason=reason, size=len(message.body))
        await reject(message)
