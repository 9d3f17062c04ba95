"""Consumes other services' events about users: a conversation was muted, a user's tokens were revoked."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from services.notifier import metrics
from services.notifier.push_settings import PushSettingsStore
from services.notifier.targets import Targets
from shared.protocol import relay
from shared.protocol.topology import NOTIFIER_EVENTS_DEAD
from shared.rabbitmq import Consumer, Delivery, Publisher, acknowledge, dead_letter
from shared.retry import retry_until_available

log = structlog.get_logger(__name__)

TAKE: Final = 64


class EventConsumer:
    """Consumes the queue of events, in order. Each event may come twice; applying one again changes nothing."""

    def __init__(self, consumer: Consumer, publisher: Publisher, settings: PushSettingsStore, targets: Targets) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._settings = settings
        self._targets = targets

    async def run(self) -> None:
        """Take, apply and acknowledge. Never returns."""
        while True:
            await self._handle(await self._consumer.take(TAKE))

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            try:
                for event in relay.notifier_event_batch_decoder.decode(delivery.body).events:
                    await retry_until_available("event", partial(self._apply, event))
            except Exception as error:
                # Transient errors were retried. What is left never succeeds, such as an id that isn't a UUID.
                metrics.POISON.inc()
                log.error("batch.dead_lettered", reason=str(error), size=len(delivery.body))
                await dead_letter(self._publisher, NOTIFIER_EVENTS_DEAD, delivery, str(error))
            else:
                acknowledge(delivery)

    async def _apply(self, event: relay.NotifierEvent) -> None:
        if isinstance(event, relay.ConversationMuted):
            await self._settings.mute(event)
        else:
            await self._targets.revoke(event.user_id, event.issued_until)
