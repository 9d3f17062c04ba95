"""The loss of a replica loses no push, and nothing is pushed twice."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest

from services.notifier.targets import Targets
from services.notifier.unreached import Unreached
from shared.protocol.topology import NOTIFIER_RETRIES, NOTIFIER_UNDELIVERED
from shared.webhooks import Outbox
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.forks import FORKS, Fork
from tests.support.push_service import Answer, Browser, PushService

Spawn = Callable[..., Awaitable[Fork]]


@pytest.fixture
async def spawn(start: Start, broker: Broker) -> AsyncIterator[Spawn]:
    """Starts a notifier process with the environment of `start`, and waits until it consumes."""
    processes: list[Fork] = []

    async def spawned(**settings: object) -> Fork:
        environment = {f"CHAT_{name.upper()}": str(value) for name, value in settings.items()}
        process = FORKS.start("services.notifier", {**os.environ, "CHAT_HTTP_PORT": "0", **environment})
        processes.append(process)
        async with asyncio.timeout(60):
            for queue in (NOTIFIER_UNDELIVERED, NOTIFIER_RETRIES):
                while await broker.consumers(queue) < len(processes):  # noqa: ASYNC110 - it can only be asked for
                    await asyncio.sleep(0.05)
        return process

    yield spawned
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def subscribed(notifier: Running, push: PushService, count: int) -> dict[str, Browser]:
    """User id → browser, of so many new users."""
    browsers = {str(uuid.uuid4()): push.browser() for _ in range(count)}
    for user_id, browser in browsers.items():
        await notifier.subscribe(user_id, browser)
    return browsers


async def test_the_same_report_twice_is_one_push(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    message = undelivered(user_id)
    before = counted("chat_push_repeated_total")
    await broker.undelivered(message)
    await push.wait_for(1, browser)
    await broker.undelivered(message, message)
    # One of them may come while the first is being noted: then it looks again after 5 s.
    await until(lambda: counted("chat_push_repeated_total") == before + 2)
    assert len(push.to(browser)) == 1


async def test_two_replicas_with_the_same_report_push_once(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser(Answer(after_seconds=0.5))
    async with start() as notifier, start():
        await notifier.subscribe(user_id, browser)
        before, deferred = counted("chat_push_repeated_total"), counted("chat_push_deferred_total", reason="claimed")
        message = undelivered(user_id)
        await asyncio.gather(*(broker.undelivered(message) for _ in range(4)))
        await until(lambda: counted("chat_push_repeated_total") == before + 3)
    assert len(push.to(browser)) == 1
    assert counted("chat_push_deferred_total", reason="claimed") > deferred


async def test_replicas_share_the_work(start: Start, broker: Broker, push: PushService) -> None:
    async with start() as notifier, start():
        browsers = await subscribed(notifier, push, 40)
        await asyncio.gather(*(broker.undelivered(undelivered(user_id)) for user_id in browsers))
        await push.wait_for(40)
    assert set(push.counts.values()) == {1}


async def test_a_killed_replica_loses_nothing(start: Start, spawn: Spawn, broker: Broker, push: PushService) -> None:
    push.answer = Answer(after_seconds=0.2)
    async with start() as notifier:
        browsers = await subscribed(notifier, push, 30)
    process = await spawn(push_concurrency=2, push_timeout_seconds=1)
    await broker.undelivered(*(undelivered(user_id) for user_id in browsers))
    await push.wait_for(6)
    process.kill()
    await process.wait()

    accepted_or_under_way = len(push.pushes)
    async with start(push_timeout_seconds=1):
        async with asyncio.timeout(60):
            while len(push.counts) < 30:  # noqa: ASYNC110 - repeats don't count
                await asyncio.sleep(0.05)
    # Only the two requests under way when it was killed may have been made twice.
    assert len(push.pushes) <= 30 + 2
    assert accepted_or_under_way < 30


async def test_a_replica_that_is_stopped_finishes_what_is_under_way(
    start: Start, spawn: Spawn, broker: Broker, push: PushService
) -> None:
    push.answer = Answer(after_seconds=0.5)
    async with start() as notifier:
        browsers = await subscribed(notifier, push, 20)
    process = await spawn(push_concurrency=4)
    for user_id in browsers:
        await broker.undelivered(undelivered(user_id))
    await push.wait_for(6)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    assert 6 <= len(push.pushes) <= 12

    async with start():
        await push.wait_for(20)
    assert set(push.counts.values()) == {1}


async def test_a_redelivered_request_makes_the_same_webhook_event(notifier: Running, user_id: str) -> None:
    """The notifier died between the outbox and the acknowledgement: receivers know the event by its id."""
    url, message = f"https://{user_id}.example", undelivered(user_id)
    nobody = cast("Targets", None)
    unreached = Unreached(notifier.notifier._partitions, nobody, notifier.pool, Outbox([url]))
    for _ in range(2):
        await unreached.unsubscribed(message)
    rows = await notifier.pool.fetch("SELECT event_id FROM webhooks.events WHERE endpoint = $1", url)
    assert len(rows) == 2
    assert rows[0] == rows[1]
