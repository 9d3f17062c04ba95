"""services.presence.webhook_queue: an announcement waits until the broker has its event, and for no broker that is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from services.presence import webhook_queue
from services.presence.friend_cache import CachedList
from services.presence.leases import Outcome
from services.presence.webhook_queue import WebhookQueue
from shared.protocol.webhooks import WebhookEvent
from shared.webhooks.events import EventPublisher


class Broker:
    """Takes events while it is `there`."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.there.set()
        self.taken: list[WebhookEvent] = []
        self._came = asyncio.Condition()

    async def publish(self, events: Sequence[WebhookEvent]) -> None:
        await self.there.wait()
        self.taken += events
        async with self._came:
            self._came.notify_all()

    async def until(self, count: int) -> None:
        """Returns when so many came."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.taken) >= count)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[WebhookQueue]:
    made = WebhookQueue(cast("EventPublisher", broker))
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


def outcome(user: str, before: str, after: str) -> Outcome:
    return Outcome(user, before, after, "1", CachedList("1"))  # type: ignore[arg-type]


def users(broker: Broker) -> list[tuple[str, str]]:
    return [(event.order_key, event.type) for event in broker.taken]


async def test_the_broker_has_the_event_when_friends_are_told(queue: WebhookQueue, broker: Broker) -> None:
    await queue.tell([outcome("alice", "offline", "online"), outcome("bob", "online", "offline")])
    assert users(broker) == [("alice", "user.online"), ("bob", "user.offline")]


async def test_changes_among_online_statuses_are_not_told(queue: WebhookQueue, broker: Broker) -> None:
    await queue.tell([outcome("alice", "online", "busy"), outcome("bob", "away", "online")])
    assert broker.taken == []


async def test_nobody_waits_for_a_broker_that_is_away(
    queue: WebhookQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_queue, "WAIT_SECONDS", 0.01)
    broker.there.clear()
    await queue.tell([outcome("alice", "offline", "online")])
    monkeypatch.setattr(webhook_queue, "WAIT_SECONDS", 3600)
    await queue.tell([outcome("bob", "offline", "online")])
    broker.there.set()
    await queue.tell([outcome("carol", "offline", "online")])
    await broker.until(3)
    assert [user for user, _ in users(broker)] == ["alice", "bob", "carol"]
    await queue.tell([outcome("dave", "offline", "online")])
    assert users(broker)[-1] == ("dave", "user.online"), "it waits again"


async def test_the_oldest_are_dropped_when_too_many_wait(
    queue: WebhookQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_queue, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(webhook_queue, "MOST_WAITING", 2)
    broker.there.clear()
    await queue.tell([outcome("first", "offline", "online")])
    for user in ("alice", "bob", "carol"):
        await queue.tell([outcome(user, "offline", "online")])
    broker.there.set()
    await broker.until(3)
    assert [user for user, _ in users(broker)] == ["first", "bob", "carol"]
