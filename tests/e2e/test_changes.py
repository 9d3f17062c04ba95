"""docs/protocol.md, «Changing messages»: every event and every error, through the load balancer."""

import asyncio
from typing import Any

import pytest

from tests.e2e.conftest import Pair
from tests.support.people import Person, text_message
from tests.support.sockets import RawSocket


async def sent(socket: RawSocket, conversation: str, content: str = "hello", **fields: Any) -> dict[str, Any]:
    """Send a message; returns it as acknowledged."""
    temp_id = fields.pop("tempId", f"t-{len(socket.events)}")
    await socket.send("message.send", **text_message(conversation, content, temp_id, **fields))
    message: dict[str, Any] = (await socket.expect("message.sent", tempId=temp_id))["payload"]["message"]
    return message


async def history(person: Person, conversation: str) -> dict[int, dict[str, Any]]:
    """seq → message."""
    page = await person.get(f"/chat/conversations/{conversation}/messages?afterSeq=0&limit=100")
    return {message["seq"]: message for message in page["items"]}


async def test_the_features_are_named(pair: Pair) -> None:
    alice = await pair.alice.connect(greet=False)
    success = await alice.expect("connection.success")
    assert {"message.edit", "message.delete", "reaction", "reply", "metadata"} <= set(success["payload"]["features"])


async def test_an_edit_reaches_all_devices_of_both(pair: Pair) -> None:
    alice, phone = await pair.alice.connect(), await pair.alice.connect()
    bob = await pair.bob.connect()
    await sent(alice, pair.conversation, "helo")
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    await alice.send("message.edit", **place, content="hello", tempId="e1")
    own = await alice.expect("message.updated", **place, content="hello", tempId="e1")
    assert (await phone.expect("message.updated", tempId="e1"))["payload"] == own["payload"]
    other = await bob.expect("message.updated", **place, content="hello", editedAt=own["payload"]["editedAt"])
    assert "tempId" not in other["payload"]
    assert own["cursor"]
    assert other["cursor"]
    stored = (await history(pair.bob, pair.conversation))[1]
    assert (stored["content"], stored["editedAt"]) == ("hello", own["payload"]["editedAt"])
    await alice.send("message.edit", **place, content="hello", tempId="e1")
    again = await alice.expect("message.updated", **place, tempId="e1")
    assert again["payload"] == own["payload"]


async def test_a_deletion_reaches_both_and_leaves_nothing_behind(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    message = await sent(alice, pair.conversation, "secret", metadata={"a": 1})
    await bob.expect("message.new", unread={"conversation": 1, "total": 1})
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    await bob.send("reaction.add", **place, emoji="👍")
    await alice.expect("reaction.updated", **place, userId=pair.bob.id, emoji="👍", active=True)
    await alice.send("message.delete", **place, tempId="d1")
    own = await alice.expect("message.deleted", **place, tempId="d1")
    other = await bob.expect("message.deleted", **place, unread={"conversation": 0, "total": 0})
    assert "unread" not in own["payload"]
    assert own["cursor"]
    assert other["cursor"]
    stored = (await history(pair.bob, pair.conversation))[1]
    assert {name: stored[name] for name in ("id", "seq", "senderId", "type", "createdAt")} == {
        name: message[name] for name in ("id", "seq", "senderId", "type", "createdAt")
    }
    assert (stored["content"], stored["media"], stored["deletedAt"]) == (None, [], own["payload"]["deletedAt"])
    assert not {"metadata", "reactions", "editedAt", "replyTo"} & set(stored)
    assert (await pair.bob.get("/chat/unread")) == {"total": 0, "conversations": {}}
    await alice.send("message.delete", **place, tempId="d2")
    again = await alice.expect("message.deleted", **place, tempId="d2")
    assert again["payload"]["deletedAt"] == own["payload"]["deletedAt"]
    assert (await sent(alice, pair.conversation, "next"))["seq"] == 2


async def test_who_returns_never_gets_a_deleted_text(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await sent(alice, pair.conversation, "first")
    await bob.expect("message.new")
    cursor = bob.cursor
    await bob.close()
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 2}
    await sent(alice, pair.conversation, "zebra one")
    await sent(alice, pair.conversation, "a reply", replyTo=2)
    await alice.send("message.edit", **place, content="zebra two")
    await alice.expect("message.updated", **place)
    await alice.send("message.delete", **place)
    deleted = await alice.expect("message.deleted", **place)
    at = deleted["payload"]["deletedAt"]

    async def replay() -> RawSocket:
        """What Bob gets, once the deletion is carried out everywhere."""
        while True:
            returned = await pair.bob.connect(greet=False, cursor=cursor)
            await returned.expect("connection.success", recovered=True)
            await returned.expect("message.deleted", **place)
            if not any("zebra" in str(event) for event in returned.events):
                return returned
            await returned.close()

    async with asyncio.timeout(30):
        returned = await replay()
    await returned.expect("message.new", message={"seq": 2, "content": None, "deletedAt": at})
    await returned.expect("message.new", message={"seq": 3, "replyTo": {"seq": 2, "deletedAt": at}})


async def test_reactions(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await sent(alice, pair.conversation)
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    for emoji in ("👍", "👨‍👩‍👧", "🇹🇭"):
        await bob.send("reaction.add", **place, emoji=emoji)
        event = await alice.expect("reaction.updated", **place, userId=pair.bob.id, emoji=emoji, active=True)
        assert event["cursor"]
        await bob.expect("reaction.updated", **place, emoji=emoji, active=True, at=event["payload"]["at"])
    await bob.send("reaction.remove", **place, emoji="👍")
    await alice.expect("reaction.updated", **place, userId=pair.bob.id, emoji="👍", active=False)
    stored = (await history(pair.alice, pair.conversation))[1]
    assert stored["reactions"] == [{"emoji": emoji, "userIds": [pair.bob.id]} for emoji in ("👨‍👩‍👧", "🇹🇭")]


@pytest.mark.parametrize("emoji", ["a", "1", "©", " ", "\u200d", "👍👍", "👍a", "👨‍👩‍👧‍👦" * 3, ""])
async def test_what_is_no_emoji_is_refused(pair: Pair, emoji: str) -> None:
    alice = await pair.alice.connect()
    await alice.send("reaction.add", conversationId=pair.conversation, seq=1, emoji=emoji)
    await alice.expect_error("validation_error", type="reaction.add", conversationId=pair.conversation)


async def test_replies_and_metadata(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await sent(alice, pair.conversation, "x" * 150)
    quote = {"seq": 1, "senderId": pair.alice.id, "type": "text", "content": "x" * 100}
    reply = await sent(bob, pair.conversation, "re", replyTo=1, metadata={"card": {"id": 7}})
    assert (reply["replyTo"], reply["metadata"]) == (quote, {"card": {"id": 7}})
    await alice.expect("message.new", message={"seq": 2, "replyTo": quote, "metadata": {"card": {"id": 7}}})
    await bob.send(
        "message.send", conversationId=pair.conversation, type="custom", metadata={"poll": [1, 2]}, tempId="custom"
    )
    await alice.expect("message.new", message={"type": "custom", "content": None, "metadata": {"poll": [1, 2]}})
    plain = (await history(pair.alice, pair.conversation))[1]
    assert not {"replyTo", "metadata", "editedAt", "deletedAt", "reactions"} & set(plain)
    await bob.send("message.send", **text_message(pair.conversation, "re", "none", replyTo=99))
    await bob.expect_error("message_not_found", type="message.send", tempId="none", conversationId=pair.conversation)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "custom"},
        {"type": "custom", "metadata": None},
        {"metadata": {"a": "x" * 4096}, "content": "hi"},
        {"metadata": {"a": "\0"}, "content": "hi"},
        {"metadata": [1], "content": "hi"},
        {"metadata": {}, "type": "text"},
        {"replyTo": 0, "content": "hi"},
    ],
)
async def test_sends_that_break_the_rules(pair: Pair, fields: dict[str, Any]) -> None:
    alice = await pair.alice.connect()
    payload = {"conversationId": pair.conversation, "type": "text", "tempId": "bad", **fields}
    await alice.send("message.send", **payload)
    await alice.expect_error("validation_error", type="message.send", tempId="bad")


async def test_errors_of_changes(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await sent(alice, pair.conversation)
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    nowhere: dict[str, Any] = {"conversationId": pair.conversation, "seq": 9}
    stranger: dict[str, Any] = {"conversationId": "0190a1b2-0000-7000-8000-00000000c001", "seq": 1}
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("message.edit", {"content": "x", "tempId": "e"}),
        ("message.delete", {"tempId": "d"}),
        ("reaction.add", {"emoji": "👍"}),
        ("reaction.remove", {"emoji": "👍"}),
    )
    for kind, fields in kinds:
        ref: dict[str, Any] = {"type": kind, **({"tempId": fields["tempId"]} if "tempId" in fields else {})}
        await bob.send(kind, **nowhere, **fields)
        await bob.expect_error("message_not_found", conversationId=pair.conversation, **ref)
        await bob.send(kind, **stranger, **fields)
        await bob.expect_error("conversation_not_found", conversationId=stranger["conversationId"], **ref)
    for kind, fields in kinds[:2]:
        await bob.send(kind, **place, **fields)
        await bob.expect_error("not_allowed", type=kind, conversationId=pair.conversation)
    await alice.send("message.edit", **place, content="")
    await alice.expect_error("validation_error", type="message.edit")
    await alice.send("message.edit", **place, content="x" * 4001)
    await alice.expect_error("validation_error", type="message.edit")
    await alice.send("message.delete", **place)
    await alice.expect("message.deleted", **place)
    await alice.send("message.edit", **place, content="x", tempId="late")
    await alice.expect_error("message_not_found", type="message.edit", tempId="late")
    await bob.send("reaction.add", **place, emoji="👍")
    await bob.expect_error("message_not_found", type="reaction.add", conversationId=pair.conversation)


async def test_a_block_lets_only_deletions_pass_and_hides_them(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for content in ("one", "two"):
        await sent(alice, pair.conversation, content)
    await bob.send("block.add", username=pair.alice.username)
    await bob.expect("block.added")
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    await alice.send("message.edit", **place, content="new")
    await alice.expect_error("blocked", type="message.edit")
    await bob.send("reaction.add", **place, emoji="👍")
    await bob.expect_error("blocked", type="reaction.add")
    await alice.send("message.delete", **place)
    await alice.expect("message.deleted", **place)
    await bob.send("ping")
    await bob.expect("pong")
    assert bob.of_type("message.deleted") == []
    assert "deletedAt" in (await history(pair.bob, pair.conversation))[1]
    assert (await pair.bob.get("/chat/unread"))["total"] == 1


async def test_a_repeated_send_returns_what_stands(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await sent(alice, pair.conversation, "one", tempId="t1")
    place: dict[str, Any] = {"conversationId": pair.conversation, "seq": 1}
    await alice.send("message.edit", **place, content="two")
    await alice.expect("message.updated", **place)
    assert (await sent(alice, pair.conversation, "one", tempId="t1"))["content"] == "two"
    await alice.send("message.send", **text_message(pair.conversation, "two", "t1"))
    await alice.expect_error("duplicate_temp_id", type="message.send", tempId="t1")
