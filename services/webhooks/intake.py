"""Consumes events without a transaction from RabbitMQ, and writes them to the outbox."""

import asyncio
from typing import Final

import msgspec
import structlog

from services.webhooks import metrics
from shared import rabbitmq
from shared.postgres import TRANSIENT_ERRORS, Pool
from shared.protocol.topology import WEBHOOK_EVENTS_DEAD
from shared.protocol.webhooks import WebhookEvent, event_batch_decoder
from shared.rabbitmq import Consumer, Delivery, Publisher
from shared.webhooks.outbox import Outbox

log = structlog.get_logger(__name__)

TAKE: Final = 64
PAUSE_SECONDS: Final = 0.5
"""Pause between two attempts while PostgreSQL is away. Consumed events are kept meanwhile; the prefetch limits them."""


class Intake:
    """Delivery is at least once: a message is acknowledged after its events are committed."""

    def __init__(self, consumer: Consumer, publisher: Publisher, pool: Pool, outbox: Outbox) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._pool = pool
        self._outbox = outbox

    async def run(self) -> None:
        """Consume and store events. Never returns."""
        while True:
            events: list[WebhookEvent] = []
            decoded: list[Delivery] = []
            for delivery in await self._consumer.take(TAKE):
                try:
                    events += event_batch_decoder.decode(delivery.body).events
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    metrics.POISON.inc()
                    await rabbitmq.dead_letter(self._publisher, WEBHOOK_EVENTS_DEAD, delivery, f"undecodable: {error}")
                else:
                    decoded.append(delivery)
            await self._write(events)
            for delivery in decoded:
                rabbitmq.acknowledge(delivery)

    async def _write(self, events: list[WebhookEvent]) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._outbox.write(connection, events)
            except TRANSIENT_ERRORS as error:
                log.warning("intake.held", error=repr(error), events=len(events))
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
