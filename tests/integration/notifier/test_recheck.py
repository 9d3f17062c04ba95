"""The last decision, right before each request, respects what changed while a push waited."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from services.notifier.decision import Verdict
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.push import NEW_MESSAGE
from shared.protocol.requests import Done, EraseUser, ExportPage, ExportUser
from shared.protocol.topology import NOTIFIER_EVENTS, NOTIFIER_POSTPONED
from shared.redis.previews import Previews
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.push_service import Answer, Browser, PushService

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


async def occupied(notifier: Running, broker: Broker, push: PushService) -> None:
    """Take the only place for a second, so that what comes now has to wait."""
    slow, somebody = push.browser(Answer(after_seconds=1.5)), str(uuid.uuid4())
    await notifier.subscribe(somebody, slow)
    await broker.undelivered(undelivered(somebody))
    await push.wait_for(1, slow)


async def waiting(broker: Broker, message: relay.Undelivered) -> None:
    """Report a message, and wait until the notifier has found that it is due."""
    before = counted("chat_push_waiting")
    await broker.undelivered(message)
    await until(lambda: counted("chat_push_waiting") == before + 1)


async def delete(notifier: Running, message: relay.Undelivered) -> None:
    await notifier.redis.set(keys.key(keys.CHANGED, message.message_id), keys.CHANGED_DELETED)


async def read(notifier: Running, message: relay.Undelivered) -> None:
    progress = keys.key(keys.PROGRESS, message.receiver_id)
    await notifier.redis.hset(progress, message.conversation_id, str(message.seq))


async def block(notifier: Running, message: relay.Undelivered) -> None:
    await notifier.redis.sadd(keys.key(keys.BLOCKED, message.receiver_id), message.sender_id)


async def unsubscribe(notifier: Running, message: relay.Undelivered) -> None:
    response = await notifier.call("DELETE", "/chat/push/subscriptions", message.receiver_id)
    assert response.status_code == 204


async def revoke(notifier: Running, message: relay.Undelivered) -> None:
    await notifier.redis.set(keys.key(keys.REVOKED, message.receiver_id), f"{time.time():.3f}")


async def mute(notifier: Running, message: relay.Undelivered) -> None:
    body = {"push": {"mutedUntil": "2100-01-01T00:00:00.000Z"}}
    assert (await notifier.call("PATCH", "/chat/users/me/settings", message.receiver_id, body)).status_code == 200


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (delete, Verdict.DELETED),
        (read, Verdict.DELIVERED),
        (block, Verdict.BLOCKED),
        (unsubscribe, Verdict.UNSUBSCRIBED),
        (revoke, Verdict.UNSUBSCRIBED),
        (mute, Verdict.MUTED),
    ],
)
async def test_what_changes_while_a_push_waits_cancels_it(
    notifier: Running,
    broker: Broker,
    push: PushService,
    browser: Browser,
    user_id: str,
    change: Callable[[Running, relay.Undelivered], Awaitable[None]],
    verdict: Verdict,
) -> None:
    await occupied(notifier, broker, push)
    message = undelivered(user_id)
    before = counted(CANCELLED, reason=verdict)
    await waiting(broker, message)
    await change(notifier, message)
    await until(lambda: counted(CANCELLED, reason=verdict) == before + 1)
    assert push.to(browser) == []


async def test_an_edited_message_is_pushed_with_its_new_text(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    await occupied(notifier, broker, push)
    message = undelivered(user_id, preview="a typo")
    await waiting(broker, message)
    await notifier.redis.set(keys.key(keys.CHANGED, message.message_id), keys.CHANGED_TEXT + "no typo")
    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body)["body"] == "no typo"


async def test_the_text_comes_from_redis_and_is_not_at_the_broker(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    await occupied(notifier, broker, push)
    kept, forgotten = undelivered(user_id, preview="hello"), undelivered(user_id, preview="long ago")
    shown = await Previews(notifier.notifier._partitions).keep([kept, forgotten])
    assert {message.preview for message in shown} == {NEW_MESSAGE}
    await notifier.redis.delete(keys.key(keys.PREVIEW, forgotten.message_id))
    for message in shown:
        await waiting(broker, message)
    bodies = [browser.decrypt(got.body)["body"] for got in await push.wait_for(2, browser)]
    assert sorted(bodies) == sorted(["hello", NEW_MESSAGE])


async def test_a_text_is_kept_only_of_what_stands(notifier: Running, user_id: str) -> None:
    """A replica reports a message late, when another has changed or deleted it."""
    previews = Previews(notifier.notifier._partitions)
    edited, deleted = undelivered(user_id, preview="before"), undelivered(user_id, preview="before")
    await notifier.redis.set(keys.key(keys.CHANGED, edited.message_id), keys.CHANGED_TEXT + "after")
    await notifier.redis.set(keys.key(keys.CHANGED, deleted.message_id), keys.CHANGED_DELETED)
    waiting_ones = await previews.keep([edited, deleted])
    assert [await previews.find(message) for message in waiting_ones] == ["after", None]
    for message in waiting_ones:
        assert await notifier.redis.get(keys.key(keys.PREVIEW, message.message_id)) is None


async def test_a_revoked_user_s_devices_are_forgotten_and_later_ones_are_not(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    old, new = push.browser(), push.browser()
    await notifier.subscribe(user_id, old)
    event = relay.PushRevoked(user_id, time.time())
    await broker.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(relay.NotifierEventBatch([event])))
    async with asyncio.timeout(20):
        while await notifier.endpoints(user_id):  # noqa: ASYNC110 - a table can only be asked
            await asyncio.sleep(0.02)
    # A token of the next second is a new sign-in.
    await asyncio.sleep(max(0.0, int(event.issued_until) + 1 - time.time()))
    await notifier.subscribe(user_id, new)
    await broker.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(relay.NotifierEventBatch([event])))
    await broker.undelivered(undelivered(user_id))
    await push.wait_for(1, new)
    assert push.to(old) == []
    assert await notifier.endpoints(user_id) == {new.endpoint}


async def test_due_pushes_wait_at_the_broker_while_redis_is_away(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    redis: Any = notifier.redis
    await redis.config_set("requirepass", "changed")
    try:
        # Open connections are authenticated: they are cut, and new ones are refused.
        await redis.execute_command("AUTH", "changed")
        await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await broker.undelivered(undelivered(user_id))
        await broker.wait_for(NOTIFIER_POSTPONED, 1)
        assert not notifier.supervisor.failed.is_set()
    finally:
        await redis.execute_command("AUTH", "changed")
        await redis.config_set("requirepass", "")
    [got] = await push.wait_for(1, browser, seconds=60)
    assert browser.decrypt(got.body)["body"] == "Hello there!"
    assert len(push.to(browser)) == 1


async def test_a_fault_in_one_job_ends_nothing_else(
    notifier: Running, broker: Broker, push: PushService, browser: Browser, user_id: str
) -> None:
    other, others = str(uuid.uuid4()), push.browser()
    await notifier.subscribe(other, others)
    # A row that no API call can make: encrypting for it fails.
    await notifier.pool.execute("UPDATE notifier.subscriptions SET p256dh = $2 WHERE user_id = $1", user_id, bytes(65))
    before = counted("chat_push_retries_total", reason="internal")
    await broker.undelivered(undelivered(user_id), undelivered(other))
    await push.wait_for(1, others)
    await until(lambda: counted("chat_push_retries_total", reason="internal") == before + 1)
    assert not notifier.supervisor.failed.is_set()


async def test_erasing_a_user_leaves_nothing_and_export_shows_everything(
    notifier: Running, push: PushService, user_id: str
) -> None:
    browser, keeper = push.browser(), str(uuid.uuid4())
    await notifier.subscribe(user_id, browser)
    await notifier.subscribe(keeper, push.browser())
    await notifier.call("PUT", "/chat/push/devices", user_id, {"platform": "fcm", "token": "abcdefgh:1"})
    quiet = {"timeZone": "UTC", "from": "22:00", "to": "07:00"}
    await notifier.call("PATCH", "/chat/users/me/settings", user_id, {"push": {"quietHours": quiet}})
    page = await notifier.notifier.requests.handle(ExportUser(user_id), False)
    assert isinstance(page, ExportPage)
    settings, web, app = (msgspec.json.decode(line) for line in page.lines)
    assert (settings["kind"], settings["quietHours"]) == ("pushSettings", quiet)
    assert (web["platform"], web["address"]) == ("web", browser.endpoint)
    assert (app["platform"], app["address"]) == ("fcm", "abcdefgh:1")
    for _ in range(2):
        assert await notifier.notifier.requests.handle(EraseUser(user_id), False) == Done()
    tables = ("subscriptions", "devices", "push_settings", "muted_conversations")
    for table in tables:
        sql = f"SELECT count(*) FROM notifier.{table} WHERE user_id = $1"
        assert await notifier.pool.fetchval(sql, user_id) == 0, table
    assert len(await notifier.endpoints(keeper)) == 1
