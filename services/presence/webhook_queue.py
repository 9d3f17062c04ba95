"""Sends webhook events for users who came online or went offline, before friends are told."""

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
WAIT_SECONDS: Final = 0.5
"""How long an announcement waits for the broker to confirm its event."""


class WebhookQueue:
    """Events of this replica's transitions, published in order. A transition that is announced again is published again."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._waiting: deque[WebhookEvent] = deque()
        self._arrived = asyncio.Event()
        self._published = asyncio.Condition()
        self._added = self._settled = 0
        self._late = False

    async def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Publish changes between online and offline; away and busy count as online.

        It returns when the broker has confirmed them. Friends are told afterwards, so when the replica dies before that, another
        one announces the transition and publishes its event. While the broker is away nobody waits, and the events are only in
        memory.
        """
        for outcome in outcomes:
            if (outcome.before == "offline") != (outcome.after == "offline"):
                self._add(_event(outcome))
        mine = self._added
        if self._late or self._settled >= mine:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._published:
                await self._published.wait_for(lambda: self._settled >= mine)
        except TimeoutError:
            self._late = True

    async def run(self) -> None:
        """Publish. Never returns."""
        while True:
            await self._arrived.wait()
            events = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            await retry_until_available("webhook events", partial(self._publisher.publish, events))
            async with self._published:
                self._settled += len(events)
                self._late = bool(self._waiting) and self._late
                self._published.notify_all()

    def _add(self, event: WebhookEvent) -> None:
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self._settled += 1
            metrics.WEBHOOKS_DROPPED.inc()
        self._waiting.append(event)
        self._added += 1
        self._arrived.set()


def _event(outcome: Outcome) -> WebhookEvent:
    online = outcome.after != "offline"
    kind = EventType.USER_ONLINE if online else EventType.USER_OFFLINE
    now = instant_of_ms(time.time_ns() // 1_000_000)
    data = {"userId": outcome.user_id, "isOnline": online, "status": outcome.after, "lastSeen": now}
    return event(kind, outcome.user_id, data)
