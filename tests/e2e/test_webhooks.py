"""Webhooks: events reach the platform's back end, signed, in order, and at least once."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.e2e.conftest import Pair
from tests.support.gateway import eventually
from tests.support.people import People, text_message
from tests.support.platform import Platform
from tests.support.stack import Stack
from tests.support.webhook_receiver import SECRET, Receiver, receiver

TELLING = ("messaging-1", "presence-1", "notifier-1", "webhooks-1")


@pytest.fixture(scope="module")
async def hook(stack: Stack) -> AsyncIterator[Receiver]:
    """A receiver that the system tells everything."""
    async with (
        receiver() as made,
        stack.settings(*TELLING, CHAT_WEBHOOK_URLS=made.url, CHAT_WEBHOOK_SECRET=SECRET, CHAT_PUSH_DELAY_SECONDS="0.1"),
    ):
        yield made


async def test_messages_and_reading(hook: Receiver, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    made = await hook.expect("conversation.created", conversationId=pair.conversation)
    assert set(made["data"]["userIds"]) == {pair.alice.id, pair.bob.id}
    await alice.send("message.send", **text_message(pair.conversation, "Hello there!", "t-1"))
    sent = (await alice.expect("message.sent"))["payload"]["message"]
    told = (await hook.expect("message.created", conversationId=pair.conversation))["data"]
    assert {name: told[name] for name in ("id", "seq", "senderId", "type", "content", "media", "createdAt")} == {
        name: sent[name] for name in ("id", "seq", "senderId", "type", "content", "media", "createdAt")
    }
    await alice.send("message.send", **text_message(pair.conversation, "Hello there!", "t-1"))
    await alice.expect("message.sent")
    await bob.send("message.read", conversationId=pair.conversation)
    read = (await hook.expect("message.read", conversationId=pair.conversation))["data"]
    assert (read["readBy"], read["seq"]) == (pair.bob.id, 1)
    assert len(hook.of_type("message.created", conversationId=pair.conversation)) == 1


async def test_order_of_a_conversation(hook: Receiver, pair: Pair) -> None:
    alice = await pair.alice.connect()
    for number in range(1, 26):
        await alice.send("message.send", **text_message(pair.conversation, f"m{number}", f"t{number}"))
    await hook.expect("message.created", conversationId=pair.conversation, seq=25)
    told = hook.of_type("message.created", conversationId=pair.conversation)
    assert [event["data"]["seq"] for event in told] == list(range(1, 26))


async def test_presence(hook: Receiver, people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    told = await hook.expect("user.online", userId=alice.id)
    assert told["data"]["isOnline"] is True
    await socket.close()
    await hook.expect("user.offline", userId=alice.id, isOnline=False)


async def test_a_message_that_no_push_can_bring(hook: Receiver, pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Are you there?", "t-1"))
    sent = (await alice.expect("message.sent"))["payload"]["message"]
    told = await hook.expect("push.undelivered", conversationId=pair.conversation)
    wanted = {"messageId": sent["id"], "seq": 1, "senderId": pair.alice.id, "receiverId": pair.bob.id}
    assert {name: told["data"][name] for name in wanted} == wanted
    assert told["data"]["content"] == "Are you there?"


async def test_a_system_message_that_no_push_can_bring_has_no_sender(
    hook: Receiver, platform: Platform, pair: Pair
) -> None:
    body = {"senderId": None, "type": "system", "content": "Order shipped", "tempId": "s-1"}
    await platform.expect(201, "POST", f"/conversations/{pair.conversation}/messages", json=body)
    for receiver_id in (pair.alice.id, pair.bob.id):
        told = await hook.expect("push.undelivered", conversationId=pair.conversation, receiverId=receiver_id)
        assert (told["data"]["senderId"], told["data"]["type"]) == (None, "system")


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_a_refused_event_is_posted_again_and_delays_its_conversation_only(
    hook: Receiver, platform: Platform, pair: Pair, status: int
) -> None:
    other = await platform.expect(
        201,
        "POST",
        "/conversations",
        json={"userIds": [(await platform.make_user("one"))["id"], pair.alice.id]},
    )
    mine, refusing = pair.conversation, True
    await hook.expect("conversation.created", conversationId=mine)
    hook.answer = lambda event: status if refusing and event["data"].get("conversationId") == mine else 204
    try:
        for conversation in (mine, other["id"]):
            for number in range(3):
                body = {"senderId": pair.alice.id, "type": "text", "content": f"{number}", "tempId": f"{number}"}
                await platform.expect(201, "POST", f"/conversations/{conversation}/messages", json=body)
        await hook.expect("message.created", conversationId=other["id"], seq=3)
        await hook.expect_refused("message.created", conversationId=mine, seq=1)
        assert hook.of_type("message.created", conversationId=mine) == []
        refusing = False
        await hook.expect("message.created", conversationId=mine, seq=3)
    finally:
        hook.answer = lambda _event: 204
    seqs = [each["data"]["seq"] for each in hook.of_type("message.created", conversationId=mine)]
    assert seqs == [1, 2, 3]


async def test_nothing_is_lost_when_the_services_are_killed(
    hook: Receiver, stack: Stack, platform: Platform, pair: Pair
) -> None:
    path = f"/conversations/{pair.conversation}/messages"

    async def send(number: int) -> None:
        body = {"senderId": pair.alice.id, "type": "text", "content": f"{number}", "tempId": f"{number}"}

        async def sent() -> bool:
            return (await platform.call("POST", path, json=body)).is_success

        await eventually(sent, seconds=60)

    for number, killed in enumerate(("webhooks-1", "messaging-1"), 1):
        await send(2 * number - 1)
        await stack.kill(killed)
        await stack.start(killed)
        await send(2 * number)
    await hook.expect("message.created", conversationId=pair.conversation, seq=4)
    told = hook.of_type("message.created", conversationId=pair.conversation)
    assert sorted({event["data"]["seq"] for event in told}) == [1, 2, 3, 4]


async def test_without_endpoints_nothing_is_written_down(stack: Stack, hook: Receiver, pair: Pair) -> None:
    async with stack.settings("messaging-1", CHAT_WEBHOOK_URLS=""):
        connection = await asyncpg.connect(stack.database_url)
        try:
            alice = await pair.alice.connect()
            await alice.send("message.send", **text_message(pair.conversation, "unheard", "t-1"))
            await alice.expect("message.sent")
            query = "SELECT count(*) FROM webhooks.events WHERE order_key = $1 AND type = 'message.created'"
            assert await connection.fetchval(query, pair.conversation) == 0
        finally:
            await connection.close()
    assert hook.of_type("message.created", conversationId=pair.conversation) == []


async def test_edits_deletions_and_blocks(hook: Receiver, pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "First", "t-1"))
    await alice.expect("message.sent")
    await alice.send("message.edit", conversationId=pair.conversation, seq=1, content="Second")
    updated = await hook.expect("message.updated", conversationId=pair.conversation, seq=1)
    assert (updated["data"]["content"], updated["data"]["senderId"]) == ("Second", pair.alice.id)
    await alice.send("message.delete", conversationId=pair.conversation, seq=1)
    await hook.expect("message.deleted", conversationId=pair.conversation, seq=1, senderId=pair.alice.id)
    await alice.send("block.add", username=pair.bob.username)
    await hook.expect("block.added", blockerId=pair.alice.id, blockedId=pair.bob.id)
    await alice.send("block.remove", username=pair.bob.username)
    await hook.expect("block.removed", blockerId=pair.alice.id, blockedId=pair.bob.id)


async def test_reports_and_erasures(hook: Receiver, platform: Platform, pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Buy now", "t-1"))
    await alice.expect("message.sent")
    report = {"conversationId": pair.conversation, "seqs": [1], "reason": "spam"}
    made = await pair.bob.call("POST", "/chat/reports", json=report)
    assert made.status_code == 201
    told = await hook.expect("report.created", conversationId=pair.conversation)
    assert told["data"]["reason"] == "spam"
    await platform.expect(202, "DELETE", f"/users/{pair.alice.id}")
    await hook.expect("user.deleted", userId=pair.alice.id)
    assert len(hook.of_type("user.deleted", userId=pair.alice.id)) == 1


async def test_a_receiver_that_does_not_answer_delays_nobody(hook: Receiver, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    hook.open.clear()
    try:
        for number in range(1, 21):
            await alice.send("message.send", **text_message(pair.conversation, f"m{number}", f"t{number}"))
            await alice.expect("message.sent", tempId=f"t{number}")
            await bob.expect("message.new", message={"content": f"m{number}"})
    finally:
        hook.open.set()
    await hook.expect("message.created", conversationId=pair.conversation, seq=20)
    told = hook.of_type("message.created", conversationId=pair.conversation)
    assert list(dict.fromkeys(event["data"]["seq"] for event in told)) == list(range(1, 21))


async def test_nothing_is_told_of_an_import(hook: Receiver, platform: Platform) -> None:
    users = [(await platform.make_user(label))["id"] for label in ("one", "other")]
    old = {"userIds": users, "createdAt": "2020-01-01T10:00:00.000Z"}
    lines = [
        {"kind": "conversation", **old},
        {"kind": "message", **old, "senderId": users[0], "type": "text", "content": "old", "tempId": "old"},
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await platform.expect(200, "POST", "/import", content=body, headers=headers))["imported"] == 2
    conversation = (await platform.expect(200, "POST", "/conversations", json={"userIds": users}))["id"]
    new = {"senderId": users[1], "type": "text", "content": "new", "tempId": "new"}
    await platform.expect(201, "POST", f"/conversations/{conversation}/messages", json=new)
    await hook.expect("message.created", conversationId=conversation, seq=2)
    assert hook.of_type("message.created", conversationId=conversation, seq=1) == []
    assert hook.of_type("conversation.created", conversationId=conversation) == []


async def test_deleted_content_is_not_in_what_still_waits(hook: Receiver, pair: Pair) -> None:
    await hook.expect("conversation.created", conversationId=pair.conversation)
    alice, refusing = await pair.alice.connect(), True
    hook.answer = lambda event: 500 if refusing and event["data"].get("conversationId") == pair.conversation else 204
    try:
        await alice.send("message.send", **text_message(pair.conversation, "secret", "t-1"))
        await hook.expect_refused("message.created", conversationId=pair.conversation)
        await alice.send("message.edit", conversationId=pair.conversation, seq=1, content="secret, too")
        await alice.expect("message.updated")
        await alice.send("message.delete", conversationId=pair.conversation, seq=1)
        await alice.expect("message.deleted")
        # An attempt that began before the deletion still has the text.
        await hook.expect_refused("message.created", conversationId=pair.conversation, content=None)
        refusing = False
        await hook.expect("message.deleted", conversationId=pair.conversation)
    finally:
        hook.answer = lambda _event: 204
    told = [each for each in hook.taken if each["data"].get("conversationId") == pair.conversation]
    assert "secret" not in str(told)
    assert [each["type"] for each in told if each["type"].startswith("message.")] == [
        "message.created",
        "message.updated",
        "message.deleted",
    ]
