"""When a message is pushed, and when not."""

import uuid
from collections.abc import AsyncIterator

import pytest

from services.notifier.decision import Verdict
from shared.protocol import keys
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.push_service import Browser, PushService

CANCELLED = "chat_push_cancelled_total"


@pytest.fixture
async def notifier(start: Start) -> AsyncIterator[Running]:
    """A notifier that makes one request at a time."""
    async with start(push_concurrency=1) as running:
        yield running


@pytest.fixture
async def browser(notifier: Running, push: PushService, user_id: str) -> Browser:
    """The receiver's only browser."""
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    return browser


@pytest.fixture
def phone() -> str:
    """A connection id."""
    return str(uuid.uuid4())


async def connect(notifier: Running, user_id: str, connection_id: str, *, gateway: str, lives: bool = True) -> None:
    await notifier.redis.hset(keys.key(keys.ROUTES, user_id), connection_id, gateway)
    if lives:
        await notifier.redis.set(keys.key(keys.GATEWAY, gateway), "1", ex=60)


async def pushed(broker: Broker, push: PushService, browser: Browser, user_id: str) -> list[str]:
    """The ids of all messages pushed so far: one more is sent, and waited for. One request at a time keeps their order."""
    last = undelivered(user_id)
    await broker.undelivered(last)
    while True:
        await push.wait_for(len(push.to(browser)) + 1, browser)
        ids = [str(browser.decrypt(got.body)["data"]["messageId"]) for got in push.to(browser)]
        if last.message_id in ids:
            return [one for one in ids if one != last.message_id]


async def test_what_was_delivered_or_read_meanwhile_is_not_pushed(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    has, lacks = undelivered(user_id, seq=7), undelivered(user_id, seq=8)
    lacks.conversation_id = has.conversation_id
    await notifier.redis.hset(keys.key(keys.PROGRESS, user_id), has.conversation_id, "7")
    before = counted(CANCELLED, reason=Verdict.DELIVERED)
    await broker.undelivered(has, lacks)
    assert await pushed(broker, push, browser, user_id) == [lacks.message_id]
    assert counted(CANCELLED, reason=Verdict.DELIVERED) == before + 1


async def test_a_block_cancels(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    message = undelivered(user_id)
    await notifier.redis.sadd(keys.key(keys.BLOCKED, user_id), message.sender_id)
    await broker.undelivered(message)
    assert await pushed(broker, push, browser, user_id) == []


async def test_who_is_connected_again_needs_no_push(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str, phone: str
) -> None:
    gateway = str(uuid.uuid4())
    await connect(notifier, user_id, phone, gateway=gateway)
    message = undelivered(user_id)
    before = counted(CANCELLED, reason=Verdict.REACHABLE)
    await broker.undelivered(message)
    await until(lambda: counted(CANCELLED, reason=Verdict.REACHABLE) == before + 1)
    await notifier.redis.delete(keys.key(keys.ROUTES, user_id))
    assert await pushed(broker, push, browser, user_id) == []


async def test_a_route_to_a_dead_gateway_is_no_connection(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str, phone: str
) -> None:
    await connect(notifier, user_id, phone, gateway=str(uuid.uuid4()), lives=False)
    message = undelivered(user_id)
    await broker.undelivered(message)
    assert await pushed(broker, push, browser, user_id) == [message.message_id]


async def test_a_silent_connection_doesn_t_count(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str, phone: str
) -> None:
    await connect(notifier, user_id, phone, gateway="gateway-1")
    message = undelivered(user_id, silent_connections=[phone])
    await broker.undelivered(message)
    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body)["data"]["messageId"] == message.message_id


async def test_of_two_silent_connections_the_last_report_pushes(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str, phone: str
) -> None:
    tablet = str(uuid.uuid4())
    await connect(notifier, user_id, phone, gateway="gateway-1")
    await connect(notifier, user_id, tablet, gateway="gateway-2")
    message = undelivered(user_id, silent_connections=[phone])
    before = counted(CANCELLED, reason=Verdict.REACHABLE)
    await broker.undelivered(message)
    await until(lambda: counted(CANCELLED, reason=Verdict.REACHABLE) == before + 1)
    assert push.to(browser) == []

    message.silent_connections = [tablet]
    await broker.undelivered(message)
    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body)["data"]["messageId"] == message.message_id


async def test_an_old_message_is_not_pushed(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    yesterday = undelivered(user_id)
    yesterday.created_at_ms -= 86_400_001
    await broker.undelivered(yesterday)
    assert await pushed(broker, push, browser, user_id) == []


async def test_a_receiver_without_a_browser_costs_nothing(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    before = counted("chat_push_unsubscribed_total")
    await broker.undelivered(undelivered(str(uuid.uuid4())))
    assert await pushed(broker, push, browser, user_id) == []
    assert counted("chat_push_unsubscribed_total") == before + 1
