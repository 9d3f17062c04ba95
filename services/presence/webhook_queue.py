"""Tells webhooks who came online and who went offline. Presence never waits for it."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Final

from services.presence import metrics
from services.presence.leases import Outcome
from shared.protocol.codec import instant_of_ms
from shared.protocol.webhooks import EventType, WebhookEvent
from shared.retry import retry_until_available
from shared.webhooks import event
from shared.webhooks.events import EventPublisher

MOST_WAITING: Final = 20_000
"""Events that wait while the broker is away; the oldest are dropped, and counted."""
BATCH: Final = 500


class WebhookQueue:
    """Events of this replica's transitions, published in order. A transition that is announced again is told again."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._waiting: deque[WebhookEvent] = deque(maxlen=MOST_WAITING)
        self._arrived = asyncio.Event()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Queue what changed between online and offline; away and busy are online."""
        for outcome in outcomes:
            if (outcome.before == "offline") != (outcome.after == "offline"):
                if len(self._waiting) == MOST_WAITING:
                    metrics.WEBHOOKS_DROPPED.inc()
                self._waiting.append(_event(outcome))
                self._arrived.set()

    async def run(self) -> None:
        """Publish. Never returns."""
        while True:
            await self._arrived.wait()
            events = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            await retry_until_available("webhook events", partial(self._publisher.publish, events))


def _event(outcome: Outcome) -> WebhookEvent:
    online = outcome.after != "offline"
    kind = EventType.USER_ONLINE if online else EventType.USER_OFFLINE
    now = instant_of_ms(time.time_ns() // 1_000_000)
    data = {"userId": outcome.user_id, "isOnline": online, "status": outcome.after, "lastSeen": now}
    return event(kind, outcome.user_id, data)
