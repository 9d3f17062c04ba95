"""One slow push service delays nobody else, and a crowd is served as fast as its service allows."""

import time
import uuid
from collections.abc import AsyncIterator

import pytest

from services.notifier.delivery.outcome import Reason
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.push_service import HANG, Answer, Browser, PushService, push_service

DEFERRED = "chat_push_deferred_total"
CROWD = 1_000


@pytest.fixture
async def other_push() -> AsyncIterator[PushService]:
    """Another push service."""
    async with push_service() as service:
        yield service


async def crowd(notifier: Running, push: PushService, size: int) -> dict[str, Browser]:
    """User id → browser of so many users, written into the table at once."""
    browsers = {str(uuid.uuid4()): push.browser() for _ in range(size)}
    sample = str(uuid.uuid4())
    await notifier.subscribe(sample, push.browser())
    key_id = await notifier.pool.fetchval("SELECT key_id FROM notifier.subscriptions WHERE user_id = $1", sample)
    await notifier.pool.executemany(
        "INSERT INTO notifier.subscriptions (id, user_id, endpoint, p256dh, auth, key_id) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            (str(uuid.uuid4()), user_id, browser.endpoint, browser.p256dh, browser.auth, key_id)
            for user_id, browser in browsers.items()
        ],
    )
    return browsers


async def test_a_hung_service_delays_nobody_else(
    start: Start, broker: Broker, push: PushService, other_push: PushService
) -> None:
    push.answer = Answer(HANG)
    async with start(push_allowed_hosts=[push.origin, other_push.origin], push_concurrency=20) as notifier:
        stuck, served = await crowd(notifier, push, 300), await crowd(notifier, other_push, 50)
        await broker.undelivered(*(undelivered(user_id) for user_id in stuck))
        await push.wait_for(20)
        for user_id in served:
            await broker.undelivered(undelivered(user_id))
        await other_push.wait_for(50)
    # None of those that hang had been given up by then.
    assert len(push.pushes) <= 20


async def test_a_service_that_doesn_t_answer_isn_t_asked_for_a_while(
    start: Start, broker: Broker, push: PushService
) -> None:
    push.answer = Answer(HANG)
    async with start(push_timeout_seconds=0.5, push_concurrency=20) as notifier:
        users = await crowd(notifier, push, 60)
        before = counted(DEFERRED, reason=Reason.CIRCUIT_OPEN)
        await broker.undelivered(*(undelivered(user_id) for user_id in users))
        await until(lambda: counted(DEFERRED, reason=Reason.CIRCUIT_OPEN) >= before + 20)
        # Twenty failures open it; until then each of them makes room for one more, and not everybody is asked.
        asked = len(push.pushes)
        assert 20 <= asked < 60
        push.answer = Answer(201)
        await push.wait_for(asked + 60, seconds=60)
        assert all(push.counts[browser.token] >= 1 for browser in users.values())


async def test_what_has_no_room_waits_at_the_broker_and_still_arrives(
    start: Start, broker: Broker, push: PushService
) -> None:
    push.answer = Answer(after_seconds=0.1)
    async with start(push_concurrency=4) as notifier:
        users = await crowd(notifier, push, 200)
        before = counted(DEFERRED, reason=Reason.QUEUE_FULL)
        await broker.undelivered(*(undelivered(user_id) for user_id in users))
        await push.wait_for(200, seconds=80)
        assert counted(DEFERRED, reason=Reason.QUEUE_FULL) >= before + 100
    assert push.most_at_once == 4
    assert set(push.counts.values()) == {1}


async def test_a_thousand_receivers_on_a_service_that_takes_a_second(
    start: Start, broker: Broker, push: PushService
) -> None:
    push.answer = Answer(after_seconds=1)
    async with start() as notifier:
        users = list(await crowd(notifier, push, CROWD))
        begun = time.monotonic()
        for first in range(0, CROWD, 50):
            await broker.undelivered(*(undelivered(user_id) for user_id in users[first : first + 50]))
        await push.wait_for(CROWD, seconds=120)
        took = time.monotonic() - begun
        print(f"{CROWD} notifications in {took:.1f} s, at most {push.most_at_once} requests at once")
    assert 50 < push.most_at_once <= 100
    assert set(push.counts.values()) == {1}


async def test_a_browser_gets_one_at_a_time_in_order(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser(*(Answer(after_seconds=wait) for wait in (0.3, 0.1, 0.0)))
    async with start() as notifier:
        await notifier.subscribe(user_id, browser)
        first = undelivered(user_id)
        others = [undelivered(user_id, conversation_id=first.conversation_id, seq=seq) for seq in range(2, 6)]
        await broker.undelivered(first, *others)
        pushes = await push.wait_for(5, browser)
    assert push.most_at_once == 1
    told = [browser.decrypt(got.body)["data"]["messageId"] for got in pushes]
    assert told == [message.message_id for message in (first, *others)]
