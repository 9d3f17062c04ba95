"""A message that nobody got becomes one encrypted notification for each browser of its receiver."""

import json

from services.notifier.base64url import encode
from tests.integration.notifier.conftest import KEY, Broker, Running, undelivered
from tests.support.push_service import PushService


async def test_an_undelivered_message_is_pushed_encrypted(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    message = undelivered(user_id, sender_name="Somchai S.")
    await broker.undelivered(message)

    [got] = await push.wait_for(1, browser)
    assert browser.decrypt(got.body) == {
        "title": "New message from somchai",
        "body": "Hello there!",
        "icon": "/icon-192x192.png",
        "tag": "chat-message",
        "data": {
            "type": "chat.message",
            "conversationId": message.conversation_id,
            "messageId": message.message_id,
            "senderId": message.sender_id,
            "senderName": "Somchai S.",
            "unread": {"conversation": 1, "total": 1},
        },
    }
    assert b"Hello" not in got.body
    assert got.headers["content-encoding"] == "aes128gcm"
    assert got.headers["urgency"] == "high"
    assert 86_300 < int(got.headers["ttl"]) <= 86_400
    assert len(got.headers["topic"]) <= 32


async def test_the_request_is_signed_with_the_published_key(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    published = (await notifier.call("GET", "/chat/push/key", user_id)).json()["publicKey"]
    assert published == encode(KEY.public)
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    await broker.undelivered(undelivered(user_id))

    [got] = await push.wait_for(1, browser)
    assert got.headers["authorization"].endswith(f"k={published}")
    assert got.claims["aud"] == push.origin
    assert 0 < got.claims["exp"] - got.at <= 24 * 3600
    assert got.claims["sub"].startswith("mailto:")


async def test_every_browser_of_the_receiver_gets_its_own(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browsers = [push.browser() for _ in range(3)]
    await notifier.subscribe(user_id, *browsers)
    await broker.undelivered(undelivered(user_id, preview="สวัสดี"))

    pushes = await push.wait_for(3)
    for browser in browsers:
        [got] = push.to(browser)
        assert browser.decrypt(got.body)["body"] == "สวัสดี"
    assert len({got.headers["topic"] for got in pushes}) == 3


async def test_messages_of_one_conversation_share_their_topic(
    notifier: Running, broker: Broker, push: PushService, user_id: str
) -> None:
    browser = push.browser()
    await notifier.subscribe(user_id, browser)
    first = undelivered(user_id)
    second = undelivered(user_id, conversation_id=first.conversation_id, seq=2)
    await broker.undelivered(first, second, undelivered(user_id))

    pushes = await push.wait_for(3, browser)
    topics = {json.dumps(browser.decrypt(got.body)["data"]["conversationId"]): got.headers["topic"] for got in pushes}
    assert len(topics) == 2
    assert len(set(topics.values())) == 2
