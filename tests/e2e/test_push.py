"""Pushes reach a receiver without an app in use, and no other."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from tests.e2e.conftest import Pair
from tests.support.people import People, Person, text_message
from tests.support.plain_http import plain_http
from tests.support.platform import Platform
from tests.support.push_service import Answer, Browser, PushService, push_service
from tests.support.stack import Stack
from tests.support.traces import in_queues, traces

DELAY_SECONDS = 5
"""`CHAT_PUSH_DELAY_SECONDS` as everybody has it."""
CROWD = 500
ANSWER_SECONDS = 3.0
"""How long the slow push service takes for each of a hundred at once: the crowd takes 15 s, which nobody else may notice."""
MESSAGES_EACH = 20


@pytest.fixture(scope="module")
async def push(stack: Stack) -> AsyncIterator[PushService]:
    """A push service that the stack's notifier may post to."""
    async with push_service() as service, stack.settings("notifier-1", CHAT_PUSH_ALLOWED_HOSTS=service.origin):
        yield service


@dataclass
class Talk:
    """A conversation from `sender`, and the receiver's browser."""

    sender: Person
    receiver: Person
    conversation: str
    browser: Browser

    async def say(self, content: str) -> None:
        """Send a message and disconnect."""
        async with await self.sender.connect() as socket:
            await socket.send("message.send", **text_message(self.conversation, content, "1"))
            await socket.expect("message.sent")


async def subscribe(person: Person, push: PushService) -> Browser:
    """A browser of this person that takes pushes."""
    assert (await person.get("/chat/push/key"))["publicKey"]
    browser = push.browser()
    response = await person.call("PUT", "/chat/push/subscriptions", json=browser.subscription)
    assert response.status_code == 204, response.text
    return browser


async def talk(people: People, push: PushService) -> Talk:
    """Two new people, the second with a browser."""
    sender, receiver = people.make("sender"), people.make("receiver")
    conversation = await sender.conversation_with(receiver)
    return Talk(sender, receiver, conversation, await subscribe(receiver, push))


async def test_who_is_not_connected_gets_a_notification_after_the_delay(push: PushService, people: People) -> None:
    away = await talk(people, push)
    begun = time.time()
    await away.say("Hello there! 👋🏽")
    [got] = await push.wait_for(1, away.browser)
    assert got.at - begun >= DELAY_SECONDS - 0.1
    told = away.browser.decrypt(got.body)
    assert told["title"] == f"New message from {away.sender.username}"
    assert told["body"] == "Hello there! 👋🏽"
    assert told["tag"] == "chat-message"
    [stored] = (await away.receiver.get(f"/chat/conversations/{away.conversation}/messages"))["items"]
    assert told["data"] == {
        "type": "chat.message",
        "conversationId": away.conversation,
        "messageId": stored["id"],
        "senderId": away.sender.id,
        "senderName": away.sender.username.capitalize(),
        "unread": {"conversation": 1, "total": 1},
    }


async def test_a_system_message_names_no_sender(push: PushService, people: People, platform: Platform) -> None:
    away = await talk(people, push)
    other = await subscribe(away.sender, push)
    body = {"senderId": None, "type": "system", "content": "Order shipped", "tempId": "s-1"}
    sent = await platform.expect(201, "POST", f"/conversations/{away.conversation}/messages", json=body)
    for browser in (away.browser, other):
        [got] = await push.wait_for(1, browser)
        told = browser.decrypt(got.body)
        assert (told["title"], told["body"]) == ("New message", "Order shipped")
        assert (told["data"]["messageId"], told["data"]["senderId"]) == (sent["id"], None)
        assert told["data"]["senderName"] == ""


async def test_only_a_receiver_without_a_sign_of_life_gets_a_push(push: PushService, people: People) -> None:
    talks = await asyncio.gather(*(talk(people, push) for _ in range(7)))
    alive, frozen, lost, returned, read, blocked, away = talks

    await alive.receiver.connect()
    phone = await frozen.receiver.connect()
    phone.connection.transport.pause_reading()
    cut = await lost.receiver.connect()

    for one in talks:
        await one.say("Are you there?")
    await cut.expect("message.new")
    await cut.cut()
    await returned.receiver.connect()
    async with await read.receiver.connect() as socket:
        await socket.send("message.read", conversationId=read.conversation)
        await socket.expect("message.read_ack")
    async with await blocked.receiver.connect() as socket:
        await socket.send("block.add", username=blocked.sender.username)
        await socket.expect("block.added")

    for told in (away, frozen, lost):
        await push.wait_for(1, told.browser)
    # Whoever comes now is told later than all of those: what was to be cancelled has been.
    last = await talk(people, push)
    await last.say("The end")
    await push.wait_for(1, last.browser)
    for told in (away, frozen, lost):
        assert len(push.to(told.browser)) == 1
    for left in (alive, returned, read, blocked):
        assert push.to(left.browser) == []


async def test_a_push_that_waits_follows_edits_and_deletions(push: PushService, people: People, stack: Stack) -> None:
    edited, deleted = await asyncio.gather(talk(people, push), talk(people, push))
    mark = uuid.uuid4().hex
    await asyncio.gather(edited.say(f"a typo {mark}"), deleted.say(f"a secret {mark}"))
    # Both wait at the broker, and neither text does.
    assert await in_queues(stack.amqp_url, [edited.sender.username]) == ["queue notifier.waiting"]
    assert await in_queues(stack.amqp_url, [mark]) == []
    async with await edited.sender.connect() as socket:
        await socket.send("message.edit", conversationId=edited.conversation, seq=1, content="no typo")
        await socket.expect("message.updated")
    async with await deleted.sender.connect() as socket:
        await socket.send("message.delete", conversationId=deleted.conversation, seq=1)
        await socket.expect("message.deleted")
    [got] = await push.wait_for(1, edited.browser)
    assert edited.browser.decrypt(got.body)["body"] == "no typo"
    last = await talk(people, push)
    await last.say("The end")
    await push.wait_for(1, last.browser)
    assert push.to(deleted.browser) == []
    async with asyncio.timeout(30):
        while await traces(stack, f"a secret {mark}"):  # noqa: ASYNC110 - a store can only be asked
            await asyncio.sleep(0.2)


async def test_the_notifier_and_media_stand_back_for_the_chat(stack: Stack) -> None:
    chat = psutil.Process(stack.pid("gateway-1")).nice()
    for name in ("notifier-1", "media-1"):
        assert psutil.Process(stack.pid(name)).nice() == min(19, chat + 10)


async def test_a_window_that_nobody_looks_at_doesn_t_hold_back_a_push(push: PushService, people: People) -> None:
    talks = await asyncio.gather(*(talk(people, push) for _ in range(4)))
    hidden, read, shown, silent = talks
    for one, states in ((hidden, [False]), (read, [False]), (shown, [False, True]), (silent, [])):
        socket = await one.receiver.connect()
        for state in states:
            await socket.send("client.state", active=state)
        await socket.send("ping")
        await socket.expect("pong")
        await one.say("Are you there?")
        await socket.expect("message.new")
        await socket.send("message.delivered", conversationId=one.conversation, seq=1)
        if one is read:
            await socket.send("message.read", conversationId=one.conversation)
            await socket.expect("message.read_ack")
    await push.wait_for(1, hidden.browser)
    last = await talk(people, push)
    await last.say("The end")
    await push.wait_for(1, last.browser)
    assert len(push.to(hidden.browser)) == 1
    for left in (read, shown, silent):
        assert push.to(left.browser) == []


async def test_settings_devices_and_sign_out_through_the_front_door(push: PushService, people: People) -> None:
    quiet, bare, left = await asyncio.gather(*(talk(people, push) for _ in range(3)))
    defaults = {"preview": True, "quietHours": None, "mutedUntil": None}
    assert await bare.receiver.get("/chat/users/me/settings") == {"push": defaults}
    changed = await bare.receiver.call("PATCH", "/chat/users/me/settings", json={"push": {"preview": False}})
    assert (changed.status_code, changed.json()) == (200, {"push": {**defaults, "preview": False}})
    refused = await bare.receiver.call(
        "PATCH",
        "/chat/users/me/settings",
        json={"push": {"quietHours": {"timeZone": "UTC", "from": "08:00", "to": "08:00"}}},
    )
    assert refused.status_code == 422
    muted = await quiet.receiver.call(
        "PATCH", "/chat/users/me/settings", json={"push": {"mutedUntil": "2100-01-01T00:00:00.000Z"}}
    )
    assert muted.status_code == 200
    for platform, token in (("fcm", "dQw4w9WgXcQ:APA91b"), ("apns", "a1b2c3d4" * 8)):
        for method in ("PUT", "DELETE"):
            body = {"platform": platform, "token": token, "app": "com.example.chat"}
            assert (await bare.receiver.call(method, "/chat/push/devices", json=body)).status_code == 204
    assert (await left.receiver.call("DELETE", "/chat/push/subscriptions")).status_code == 204

    for one in (quiet, left, bare):
        await one.say("a secret")
    [got] = await push.wait_for(1, bare.browser)
    told = bare.browser.decrypt(got.body)
    assert told["body"] == "New message"
    assert told["data"]["senderName"] == bare.sender.username.capitalize()
    assert told["data"]["unread"] == {"conversation": 1, "total": 1}
    last = await talk(people, push)
    await last.say("The end")
    await push.wait_for(1, last.browser)
    assert push.to(quiet.browser) == push.to(left.browser) == []


@pytest.mark.timeout(240)
async def test_a_crowd_on_a_slow_push_service_doesn_t_slow_the_chat(
    stack: Stack, push: PushService, people: People
) -> None:
    senders = await crowd(stack, push, people)
    pairs = [await pair_of(people) for _ in range(8)]
    alone = await exchange(pairs[:4])
    push.answer = Answer(after_seconds=ANSWER_SECONDS)
    before = len(push.pushes)
    begun = time.monotonic()
    await asyncio.gather(*(write(sender, conversations) for sender, conversations in senders))
    await push.wait_for(before + 1, seconds=30)
    together = await exchange(pairs[4:])
    assert len(push.pushes) < before + CROWD, "the crowd was served before the measurement ended"
    await push.wait_for(before + CROWD, seconds=120)
    took = time.monotonic() - begun
    push.answer = Answer()
    for name, times in (("alone", alone), ("with the crowd", together)):
        p50, p99 = statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000
        print(f"send to message.new {name}: median {p50:.1f} ms, 99 % {p99:.1f} ms, of {len(times)}")
    print(f"{CROWD} notifications {took:.1f} s after their messages, {push.most_at_once} at once")
    assert statistics.median(together) < statistics.median(alone) + ANSWER_SECONDS / 3
    assert max(push.counts.values()) == 1


async def crowd(stack: Stack, push: PushService, people: People) -> list[tuple[Person, list[str]]]:
    """Senders, and their conversations with people who are not connected, each with a browser."""
    senders = [people.make("crowd") for _ in range(CROWD // MESSAGES_EACH)]
    limits = httpx.Limits(max_connections=16)
    async with plain_http(stack.url, timeout=60, limits=limits) as client:

        async def one(sender: Person) -> str:
            receiver = people.make("member")
            theirs = {"Authorization": f"Bearer {receiver.token}"}
            put = await client.put("/chat/push/subscriptions", headers=theirs, json=push.browser().subscription)
            assert put.status_code == 204, put.text
            ours = {"Authorization": f"Bearer {sender.token}"}
            made = await client.post("/chat/conversations", headers=ours, json={"username": receiver.username})
            assert made.status_code == 201, made.text
            return str(made.json()["id"])

        return [(sender, await asyncio.gather(*(one(sender) for _ in range(MESSAGES_EACH)))) for sender in senders]


async def write(sender: Person, conversations: list[str]) -> None:
    """One message to each conversation."""
    socket = await sender.connect()
    for conversation in conversations:
        await socket.send("message.send", **text_message(conversation, "Hello!", conversation))
    for _ in conversations:
        await socket.expect("message.sent", timeout=30)


async def pair_of(people: People) -> Pair:
    """Two people with a conversation."""
    alice, bob = people.make("alice"), people.make("bob")
    return Pair(alice, bob, await alice.conversation_with(bob))


async def exchange(pairs: list[Pair]) -> list[float]:
    """Seconds from each `message.send` to its `message.new`, all pairs at once, for about four seconds."""

    async def one(pair: Pair) -> list[float]:
        alice, bob = await pair.alice.connect(), await pair.bob.connect()
        times = []
        for number in range(25):
            sent_at = time.monotonic()
            await alice.send("message.send", **text_message(pair.conversation, f"{number}", f"{number}"))
            await bob.expect("message.new")
            times.append(bob.received[-1].at - sent_at)
            await asyncio.sleep(0.15)
        return times

    return [taken for times in await asyncio.gather(*(one(pair) for pair in pairs)) for taken in times]
