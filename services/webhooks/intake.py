"""Consumes events without a transaction from RabbitMQ, and writes them to the outbox."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from services.webhooks import metrics
from shared import rabbitmq
from shared.postgres import Pool
from shared.protocol.topology import WEBHOOK_EVENTS_DEAD
from shared.protocol.webhooks import WebhookEvent, event_batch_decoder
from shared.rabbitmq import Consumer, Delivery, Publisher
from shared.retry import retry_until_available
from shared.webhooks.outbox import Outbox

log = structlog.get_logger(__name__)

TAKE: Final = 64


class Intake:
    """Delivery is at least once: a message is acknowledged after its events are committed.

    While PostgreSQL is away, the consumed messages wait here; the prefetch limits how many. A message that can't be decoded or
    stored becomes a dead letter.
    """

    def __init__(self, consumer: Consumer, publisher: Publisher, pool: Pool, outbox: Outbox) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._pool = pool
        self._outbox = outbox

    async def run(self) -> None:
        """Consume and store events. Never returns."""
        while True:
            await self._handle(await self._consumer.take(TAKE))

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        """Store the events of all deliveries in one transaction. If that fails permanently, handle each delivery alone."""
        try:
            events = [event for delivery in deliveries for event in event_batch_decoder.decode(delivery.body).events]
            await retry_until_available("webhook events", partial(self._write, events))
        except Exception as error:
            if len(deliveries) > 1:
                for delivery in deliveries:
                    await self._handle([delivery])
                return
            metrics.POISON.inc()
            log.error("batch.dead_lettered", reason=str(error), size=len(deliveries[0].body))
            await rabbitmq.dead_letter(self._publisher, WEBHOOK_EVENTS_DEAD, deliveries[0], str(error))
        else:
            for delivery in deliveries:
                rabbitmq.acknowledge(delivery)

    async def _write(self, events: Sequence[WebhookEvent]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._outbox.write(connection, events)
