"""The REST calls of the Python client, through the load balancer."""

from collections.abc import AsyncIterator

import pytest
from chat_client import ChatClient

from tests.e2e.conftest import Pair
from tests.support.messaging import eventually
from tests.support.stack import Stack

DEVICE = "f0e1d2c3" * 8
"""A device token of Apple: 32 bytes."""


@pytest.fixture
async def alice(stack: Stack, pair: Pair) -> AsyncIterator[ChatClient]:
    """Alice's client."""

    async def token() -> str:
        return pair.alice.token

    async with ChatClient(stack.url, token) as client:
        yield client


async def test_conversations_are_listed_changed_and_cleared(alice: ChatClient, pair: Pair) -> None:
    sent = [await alice.send(pair.conversation, "text", f"number {number}") for number in range(1, 6)]
    around = await alice.rest.messages(pair.conversation, around_seq=3, limit=3)
    assert [message["seq"] for message in around] == [2, 3, 4]
    assert [message["id"] for message in await alice.rest.messages(pair.conversation)] == [each["id"] for each in sent]
    changed = await alice.rest.update_conversation(pair.conversation, pinned=True, mutedUntil="2999-01-01T00:00:00Z")
    assert (changed["me"]["pinned"], changed["me"]["mutedUntil"]) == (True, "2999-01-01T00:00:00.000Z")
    assert [each["id"] async for each in alice.rest.all_conversations(pinned=True)] == [pair.conversation]
    assert (await alice.rest.conversations(pinned=False))["items"] == []
    assert (await alice.rest.conversation(pair.conversation))["lastSeq"] == 5
    await alice.rest.clear_conversation(pair.conversation)
    assert (await alice.rest.conversation(pair.conversation))["me"]["clearedSeq"] == 5
    assert await alice.rest.messages(pair.conversation) == []


async def test_messages_are_reported(alice: ChatClient, pair: Pair) -> None:
    message = await alice.send(pair.conversation, "text", "to be reported")
    report = await alice.rest.report(pair.conversation, [message["seq"]], "spam", "again and again")
    assert (report["seqs"], report["reason"], report["comment"]) == ([message["seq"]], "spam", "again and again")


async def test_users_are_found_and_followed(alice: ChatClient, pair: Pair) -> None:
    bob, me = pair.bob, await alice.rest.me()
    assert [user["id"] for user in await alice.rest.find_users(username=bob.username)] == [bob.id]
    assert bob.id in [user["id"] for user in await alice.rest.find_users(prefix=bob.username)]
    assert (await alice.rest.update_me(displayName="Alice B."))["displayName"] == "Alice B."
    followed = await alice.rest.follow(bob.username)
    assert (followed["following"], followed["isFriend"]) == (True, False)
    await bob.call("PUT", f"/chat/follows/{me['username']}")
    assert [friend["username"] for friend in await alice.rest.friends()] == [bob.username]
    assert [status["userId"] for status in await alice.rest.presence(bob.id)] == [bob.id]
    assert (await alice.rest.unfollow(bob.username))["following"] is False


async def test_pushes_are_set(alice: ChatClient) -> None:
    assert (await alice.rest.settings())["push"]["preview"] is True
    quiet = {"timeZone": "Europe/Berlin", "from": "22:00", "to": "07:00"}
    changed = await alice.rest.update_settings(
        push={"preview": False, "quietHours": {"timeZone": "Europe/Berlin", "from": "22:00", "to": "07:00"}}
    )
    assert changed["push"] == {"preview": False, "quietHours": quiet, "mutedUntil": None}
    await alice.rest.add_push_device({"platform": "apns", "token": DEVICE})
    await alice.rest.remove_push_device({"platform": "apns", "token": DEVICE})
    await alice.rest.unsubscribe_push()


async def test_who_is_blocked_and_what_is_unread(alice: ChatClient, pair: Pair) -> None:
    bob = await pair.bob.connect()
    await bob.send("message.send", conversationId=pair.conversation, type="text", content="hello", tempId="t-1")

    async def is_unread() -> bool:
        counts = await alice.rest.unread()
        return (counts["total"], counts["conversations"]) == (1, {pair.conversation: 1})

    await eventually(is_unread)
    await alice.block(username=pair.bob.username)
    assert [block["username"] for block in await alice.rest.blocks()] == [pair.bob.username]
