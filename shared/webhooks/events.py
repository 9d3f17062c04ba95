"""Makes events, and publishes those without a transaction."""

import time
from collections.abc import Sequence
from typing import Any

from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.topology import WEBHOOK_EVENTS
from shared.protocol.webhooks import EventBatch, EventType, WebhookEvent
from shared.rabbitmq import Publisher


def event(kind: EventType, order_key: str, data: dict[str, Any], seq: int | None = None) -> WebhookEvent:
    """Return an event with the current time. `data` has the protocol's names; None means null."""
    return WebhookEvent(kind, order_key, time.time_ns() // 1_000_000, json_encoder.encode(data).decode(), seq)


class EventPublisher:
    """Publishes to the webhooks service. Unless it is `enabled`, it does nothing, and callers needn't make events."""

    def __init__(self, publisher: Publisher, *, enabled: bool) -> None:
        self._publisher = publisher
        self.enabled = enabled

    async def publish(self, events: Sequence[WebhookEvent]) -> None:
        """Publish, with confirm. Raises what `Publisher.publish` raises."""
        if self.enabled and events:
            await self._publisher.publish(WEBHOOK_EVENTS, msgpack_encoder.encode(EventBatch(list(events))))
