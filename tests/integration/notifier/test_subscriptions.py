"""Push subscriptions: one row for each browser, and only allowed endpoints."""

import json
import time
import uuid
from typing import Any

import pytest

from services.notifier.base64url import encode
from services.notifier.webpush.vapid import VapidKey
from shared.protocol import limits
from tests.integration.notifier.conftest import KEY, Broker, Running, Start, counted, undelivered
from tests.support.push_service import PushService

PATH = "/chat/push/subscriptions"


async def test_every_call_needs_a_token(notifier: Running, push: PushService) -> None:
    for method, path, body in [
        ("GET", "/chat/push/key", None),
        ("PUT", PATH, push.browser().subscription),
        ("DELETE", PATH, {"endpoint": push.browser().endpoint}),
    ]:
        response = await notifier.call(method, path, None, body)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "unauthorized"


async def test_a_browser_subscribes_and_leaves(notifier: Running, push: PushService, user_id: str) -> None:
    browser = push.browser()
    response = await notifier.call("PUT", PATH, user_id, browser.subscription)
    assert (response.status_code, response.content) == (204, b"")
    assert await notifier.endpoints(user_id) == {browser.endpoint}
    for _ in range(2):
        response = await notifier.call("DELETE", PATH, user_id, {"endpoint": browser.endpoint})
        assert response.status_code == 204
    assert await notifier.endpoints(user_id) == set()


async def test_only_one_s_own_can_be_deleted(notifier: Running, push: PushService, user_id: str) -> None:
    browser, other = push.browser(), str(uuid.uuid4())
    await notifier.subscribe(user_id, browser)
    response = await notifier.call("DELETE", PATH, other, {"endpoint": browser.endpoint})
    assert response.status_code == 204
    assert await notifier.endpoints(user_id) == {browser.endpoint}


async def test_posted_again_it_is_updated(notifier: Running, broker: Broker, push: PushService, user_id: str) -> None:
    old = push.browser()
    new = type(old)(push.origin, old.token)
    await notifier.subscribe(user_id, old, new)
    assert await notifier.endpoints(user_id) == {old.endpoint}
    await broker.undelivered(undelivered(user_id))
    [got] = await push.wait_for(1, new)
    assert new.decrypt(got.body)["body"] == "Hello there!"


async def test_posted_by_another_user_it_moves(notifier: Running, push: PushService, user_id: str) -> None:
    browser, other = push.browser(), str(uuid.uuid4())
    await notifier.subscribe(user_id, browser)
    await notifier.subscribe(other, browser)
    assert await notifier.endpoints(user_id) == set()
    assert await notifier.endpoints(other) == {browser.endpoint}


async def test_a_user_has_at_most_20_and_the_oldest_go(notifier: Running, push: PushService, user_id: str) -> None:
    browsers = [push.browser() for _ in range(limits.MAX_PUSH_SUBSCRIPTIONS)]
    await notifier.subscribe(user_id, *browsers)
    await notifier.subscribe(user_id, browsers[0])
    newest = push.browser()
    await notifier.subscribe(user_id, newest)
    assert await notifier.endpoints(user_id) == {browser.endpoint for browser in [*browsers, newest]} - {
        browsers[1].endpoint
    }


def changed(subscription: dict[str, Any], **changes: Any) -> dict[str, Any]:
    keys = {**subscription["keys"], **changes.pop("keys", {})}
    return {**subscription, "keys": keys, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"endpoint": "https://evil.example/a"}, "evil.example is not an allowed push service"),
        ({"endpoint": "http://push.example.com/a"}, "https on port 443"),
        ({"endpoint": "https://user@push.example.com/a"}, "user information"),
        ({"endpoint": "https://127.0.0.1/a"}, "not an allowed push service"),
        ({"endpoint": "https://push.example.com/" + "a" * 2048}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": 5}, "endpoint"),
        ({"keys": {"p256dh": "AAAA"}}, "65 bytes"),
        ({"keys": {"p256dh": encode(b"\x04" + bytes(64))}}, "curve"),
        ({"keys": {"p256dh": "!"}}, "keys.p256dh: must be base64url"),
        ({"keys": {"auth": "AAAA"}}, "16 bytes"),
        ({"keys": {"auth": "\0"}}, "keys.auth"),
        ({"keys": {"auth": None}}, "auth"),
        ({"expirationTime": "tomorrow"}, "expirationTime"),
        ({"expirationTime": 1e300}, "expirationTime"),
        ({"applicationServerKey": encode(VapidKey.generate().public)}, "applicationServerKey"),
        ({"applicationServerKey": "!"}, "applicationServerKey"),
    ],
)
async def test_a_subscription_that_can_t_work_is_refused_with_a_reason(
    notifier: Running, push: PushService, user_id: str, changes: dict[str, Any], message: str
) -> None:
    body = changed(push.browser().subscription, **changes)
    response = await notifier.call("PUT", PATH, user_id, body)
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "validation_error"
    assert message in response.json()["error"]["message"]
    assert await notifier.endpoints(user_id) == set()


@pytest.mark.parametrize("body", [None, [], {}, "x", {"endpoint": "https://push.example.com/a"}, {"keys": {}}])
async def test_other_bodies_are_refused(notifier: Running, user_id: str, body: Any) -> None:
    assert (await notifier.call("PUT", PATH, user_id, body)).status_code == 422


async def test_unknown_fields_and_padding_are_taken(notifier: Running, push: PushService, user_id: str) -> None:
    browser = push.browser()
    auth = browser.subscription["keys"]["auth"] + "=="
    body = changed(browser.subscription, keys={"auth": auth}, contentEncoding="aes128gcm")
    assert (await notifier.call("PUT", PATH, user_id, body)).status_code == 204


async def test_an_expired_subscription_gets_nothing(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    ended, lasting = push.browser(), push.browser()
    for browser, seconds in ((ended, -60), (lasting, 60)):
        body = {**browser.subscription, "expirationTime": int((time.time() + seconds) * 1000)}
        assert (await notifier.call("PUT", PATH, user_id, body)).status_code == 204
    await broker.undelivered(undelivered(user_id), undelivered(user_id))
    await push.wait_for(2, lasting)
    assert push.to(ended) == []


async def test_without_a_key_nobody_can_subscribe(start: Start, push: PushService, user_id: str) -> None:
    async with start(vapid_private_key=None) as notifier:
        for method, path, body in [("GET", "/chat/push/key", None), ("PUT", PATH, push.browser().subscription)]:
            response = await notifier.call(method, path, user_id, body)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "unavailable"
            assert "CHAT_VAPID_PRIVATE_KEY" in response.json()["error"]["message"]


async def test_after_a_change_of_keys_each_subscription_keeps_its_own(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    old, new = push.browser(), push.browser()
    async with start() as notifier:
        await notifier.subscribe(user_id, old)
    changed_key = VapidKey.generate()
    both = f"{changed_key.private_text()},{KEY.private_text()}"
    async with start(vapid_private_key=both) as notifier:
        published = (await notifier.call("GET", "/chat/push/key", user_id)).json()["publicKey"]
        assert published == encode(changed_key.public)
        # A browser posts its subscription at each visit: that doesn't bind it to the new key.
        await notifier.subscribe(user_id, old, new)
        await broker.undelivered(undelivered(user_id))
        await push.wait_for(2)
    assert push.to(old)[0].headers["authorization"].endswith(encode(KEY.public))
    assert push.to(new)[0].headers["authorization"].endswith(encode(changed_key.public))


async def test_a_client_may_say_which_key_it_subscribed_with(
    start: Start, broker: Broker, push: PushService, user_id: str
) -> None:
    browser, current = push.browser(), VapidKey.generate()
    async with start(vapid_private_key=f"{current.private_text()},{KEY.private_text()}") as notifier:
        body = {**browser.subscription, "applicationServerKey": encode(KEY.public)}
        assert (await notifier.call("PUT", PATH, user_id, body)).status_code == 204
        await broker.undelivered(undelivered(user_id))
        [got] = await push.wait_for(1, browser)
    assert got.headers["authorization"].endswith(encode(KEY.public))


async def test_without_a_body_all_browsers_are_forgotten_and_get_no_more(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    other, others = str(uuid.uuid4()), push.browser()
    await notifier.subscribe(user_id, push.browser(), push.browser())
    await notifier.subscribe(other, others)
    assert (await notifier.call("DELETE", PATH, user_id)).status_code == 204
    assert await notifier.endpoints(user_id) == set()
    await broker.undelivered(undelivered(user_id), undelivered(other))
    await push.wait_for(1, others)
    assert len(push.pushes) == 1


@pytest.mark.parametrize("endpoint", ["\0", "https://push.example.com/\0", "\ud800", "ü", " ", ""])
async def test_an_endpoint_that_no_database_takes_is_refused(notifier: Running, user_id: str, endpoint: str) -> None:
    response = await notifier.call_raw("DELETE", PATH, user_id, json.dumps({"endpoint": endpoint}).encode())
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "validation_error"


async def test_while_replicas_with_old_and_new_keys_run_every_push_arrives(
    start: Start, broker: Broker, push: PushService
) -> None:
    new_key = VapidKey.generate()
    # The broker gives one to each replica; what the old one postponed is tried again after 5 s, up to four times.
    users = {str(uuid.uuid4()): push.browser() for _ in range(2)}
    before = counted("chat_push_deferred_total", reason="key_unknown")
    async with start(vapid_private_key=f"{new_key.private_text()},{KEY.private_text()}") as renewed, start():
        for user_id, browser in users.items():
            await renewed.subscribe(user_id, browser)
        for user_id in users:
            await broker.undelivered(undelivered(user_id))
        await push.wait_for(2, seconds=120)
    assert set(push.counts.values()) == {1}
    assert {got.headers["authorization"].rpartition("k=")[2] for got in push.pushes} == {encode(new_key.public)}
    # Some of them were taken by the replica that knows only the old key.
    assert counted("chat_push_deferred_total", reason="key_unknown") > before
