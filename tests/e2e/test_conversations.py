"""docs/protocol.md, «Conversations»: every call and event, through the load balancer."""

from typing import Any

import pytest

from shared.protocol.errors import ErrorCode
from tests.e2e.conftest import Pair
from tests.support.people import People, Person, text_message
from tests.support.sockets import RawSocket
from tools.devtoken import mint


async def say(socket: RawSocket, conversation: str, content: str) -> int:
    """Send a message; returns its seq."""
    temp_id = f"t-{content}"
    await socket.send("message.send", **text_message(conversation, content, temp_id))
    seq: int = (await socket.expect("message.sent", tempId=temp_id))["payload"]["message"]["seq"]
    return seq


async def patch(person: Person, conversation: str, **change: Any) -> dict[str, Any]:
    response = await person.call("PATCH", f"/chat/conversations/{conversation}", json=change)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def listed(person: Person, query: str = "") -> list[str]:
    return [item["id"] for item in (await person.get(f"/chat/conversations{query}"))["items"]]


async def test_the_features_are_named(pair: Pair) -> None:
    alice = await pair.alice.connect(greet=False)
    success = await alice.expect("connection.success")
    assert "conversation" in success["payload"]["features"]


async def test_settings_go_to_all_own_devices_and_by_cursor(pair: Pair) -> None:
    phone, laptop, bob = await pair.alice.connect(), await pair.alice.connect(), await pair.bob.connect()
    body = await patch(pair.alice, pair.conversation, pinned=True, mutedUntil="2999-01-01T00:00:00Z")
    assert body["me"] == {
        "mutedUntil": "2999-01-01T00:00:00.000Z",
        "archived": False,
        "pinned": True,
        "markedUnread": False,
        "clearedSeq": 0,
        "readSeq": 0,
    }
    cursor = ""
    for device in (phone, laptop):
        event = await device.expect("conversation.updated")
        assert event["payload"] == {"conversation": body}
        cursor = event["cursor"]
    assert (await patch(pair.alice, pair.conversation, mutedUntil=None, markedUnread=True))["me"]["mutedUntil"] is None
    await laptop.expect("conversation.updated")
    returned = await pair.alice.connect(greet=False, cursor=cursor)
    assert (await returned.expect("connection.success"))["payload"]["recovered"] is True
    replayed = await returned.expect("conversation.updated")
    assert replayed["payload"]["conversation"]["me"]["markedUnread"] is True
    await say(bob, pair.conversation, "hello")
    assert not [event for event in bob.events if event["type"].startswith("conversation.")]


async def test_archive_and_back(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await say(bob, pair.conversation, "one")
    await patch(pair.alice, pair.conversation, archived=True)
    await alice.expect("conversation.updated")
    assert await listed(pair.alice) == []
    assert await listed(pair.alice, "?archived=true") == [pair.conversation]
    await say(bob, pair.conversation, "two")
    event = await alice.expect("conversation.updated")
    assert event["payload"]["conversation"]["me"]["archived"] is False
    assert await listed(pair.alice, "?unread=true") == [pair.conversation]


async def test_reading_ends_marked_unread_and_moves_the_marks(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    seq = await say(bob, pair.conversation, "one")
    await patch(pair.alice, pair.conversation, markedUnread=True)
    await alice.expect("conversation.updated")
    await alice.send("message.read", conversationId=pair.conversation, seq=seq)
    event = await alice.expect("conversation.updated")
    assert event["payload"]["conversation"]["me"]["markedUnread"] is False
    body = await pair.bob.get(f"/chat/conversations/{pair.conversation}")
    marks = {each["id"]: (each["readSeq"], each["deliveredSeq"]) for each in body["participants"]}
    assert marks == {pair.alice.id: (seq, seq), pair.bob.id: (0, 0)}


async def test_delete_for_me_hides_everything_for_good(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await say(bob, pair.conversation, "secret")
    cursor = (await alice.expect("message.new"))["cursor"]
    await say(bob, pair.conversation, "another secret")
    await alice.expect("message.new")
    response = await pair.alice.call("DELETE", f"/chat/conversations/{pair.conversation}")
    assert (response.status_code, response.content) == (204, b"")
    event = await alice.expect("conversation.cleared")
    assert event["payload"] == {"conversationId": pair.conversation, "clearedSeq": 2}
    assert await listed(pair.alice) == []
    assert await pair.alice.get("/chat/unread") == {"total": 0, "conversations": {}}
    for query in ("", "?afterSeq=0", "?beforeSeq=3", "?aroundSeq=1"):
        page = await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages{query}")
        assert page == {"items": [], "nextPage": None}
    returned = await pair.alice.connect(greet=False, cursor=cursor)
    assert (await returned.expect("connection.success"))["payload"]["recovered"] is True
    await returned.expect("conversation.cleared")
    await returned.expect("status.bulk")
    assert "secret" not in str(returned.events)
    # A quote of a hidden message shows only its seq.
    await bob.send("message.send", **text_message(pair.conversation, "three", "t3", replyTo=1))
    new = (await alice.expect("message.new"))["payload"]
    assert new["message"]["replyTo"] == {"seq": 1}
    assert new["unread"] == {"conversation": 1, "total": 1}
    assert await listed(pair.alice) == [pair.conversation]
    # What changes in the hidden part is not told.
    await bob.send("message.edit", conversationId=pair.conversation, seq=1, content="secret again")
    await bob.expect("message.updated", seq=1)
    await bob.send("reaction.add", conversationId=pair.conversation, seq=2, emoji="👍")
    await bob.expect("reaction.updated", seq=2)
    await say(bob, pair.conversation, "four")
    await alice.expect("message.new", message={"seq": 4})
    assert not [each for each in alice.events if each["type"] in {"message.updated", "reaction.updated"}]
    assert len((await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]) == 4


async def test_what_a_user_deleted_for_themselves_is_not_found(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await say(bob, pair.conversation, "secret")
    await alice.expect("message.new")
    await pair.alice.call("DELETE", f"/chat/conversations/{pair.conversation}")
    await say(bob, pair.conversation, "seen")
    await alice.expect("message.new", message={"seq": 2})
    for seq, outcome in ((1, 404), (2, 201)):
        report = {"conversationId": pair.conversation, "seqs": [seq, 2], "reason": "spam"}
        answer = await pair.alice.call("POST", "/chat/reports", json=report)
        assert answer.status_code == outcome, answer.text
    for reaction in ("reaction.add", "reaction.remove"):
        await alice.send(reaction, conversationId=pair.conversation, seq=1, emoji="👍")
        await alice.expect_event(
            {"type": "error", "error": {"code": ErrorCode.MESSAGE_NOT_FOUND}, "ref": {"type": reaction}}
        )
    await alice.send("message.send", **text_message(pair.conversation, "reply", "r1", replyTo=1))
    await alice.expect_event({"type": "error", "error": {"code": ErrorCode.MESSAGE_NOT_FOUND}, "ref": {"tempId": "r1"}})
    await alice.send("reaction.add", conversationId=pair.conversation, seq=2, emoji="👍")
    await alice.expect("reaction.updated", seq=2)
    await alice.send("message.send", **text_message(pair.conversation, "reply", "r2", replyTo=2))
    await alice.expect("message.sent", tempId="r2")
    # Whoever didn't delete it goes on with it.
    await bob.send("message.send", **text_message(pair.conversation, "reply", "r3", replyTo=1))
    await bob.expect("message.sent", tempId="r3")


async def test_a_message_that_its_sender_cleared_can_be_deleted_but_not_edited(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await say(alice, pair.conversation, "secret")
    await bob.expect("message.new")
    await pair.alice.call("DELETE", f"/chat/conversations/{pair.conversation}")
    await say(alice, pair.conversation, "seen")
    await alice.send("message.edit", conversationId=pair.conversation, seq=1, content="changed")
    await alice.expect_event(
        {"type": "error", "error": {"code": ErrorCode.MESSAGE_NOT_FOUND}, "ref": {"type": "message.edit"}}
    )
    await alice.send("message.edit", conversationId=pair.conversation, seq=2, content="changed")
    await alice.expect("message.updated", seq=2)
    await alice.send("message.delete", conversationId=pair.conversation, seq=1)
    await alice.expect("message.deleted", seq=1)
    await bob.expect("message.deleted", seq=1)


async def test_an_empty_conversation_is_its_creators(pair: Pair) -> None:
    alice = await pair.alice.connect()
    assert await listed(pair.alice) == [pair.conversation]
    assert await listed(pair.bob) == []
    await say(alice, pair.conversation, "hello")
    assert await listed(pair.bob) == [pair.conversation]


async def test_around_a_message(pair: Pair) -> None:
    alice = await pair.alice.connect()
    for number in range(9):
        await say(alice, pair.conversation, str(number))
    page = await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages?aroundSeq=5&limit=3")
    assert [item["seq"] for item in page["items"]] == [4, 5, 6]


async def test_a_profile_reaches_partners_friends_and_own_devices(pair: Pair, people: People) -> None:
    friend, stranger = people.make("friend"), people.make("stranger")
    await pair.alice.befriend(friend)
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    friends, strangers = await friend.connect(), await stranger.connect()
    await say(alice, pair.conversation, "hello")
    response = await pair.alice.call("PATCH", "/chat/users/me", json={"displayName": "Alice the Second"})
    assert response.status_code == 200
    profile = {
        "userId": pair.alice.id,
        "username": pair.alice.username,
        "displayName": "Alice the Second",
        "avatar": None,
    }
    for socket in (alice, bob, friends):
        assert (await socket.expect("user.updated", displayName="Alice the Second"))["payload"] == profile
    await strangers.send("ping")
    await strangers.expect("pong")
    assert not [event for event in strangers.events if event["type"] == "user.updated"]


async def test_users_are_found_and_blocks_hide_them(pair: Pair) -> None:
    query = f"/chat/users?username={pair.bob.username.upper()}"
    assert [item["id"] for item in (await pair.alice.get(query))["items"]] == [pair.bob.id]
    prefix = f"/chat/users?prefix={pair.bob.username[:8]}"
    assert pair.bob.id in [item["id"] for item in (await pair.alice.get(prefix))["items"]]
    alice = await pair.alice.connect()
    await alice.send("block.add", userId=pair.bob.id)
    await alice.expect("block.added", username=pair.bob.username)
    assert await pair.alice.get(query) == {"items": [], "nextPage": None}
    assert (await pair.bob.get(f"/chat/users?username={pair.alice.username}"))["items"] == []
    await alice.send("block.remove", userId=pair.bob.id)
    await alice.expect("block.removed", username=pair.bob.username)
    assert len((await pair.alice.get(query))["items"]) == 1


async def test_follows_take_ids_and_former_names_are_nobodys(pair: Pair) -> None:
    await pair.bob.get("/chat/users/me")
    response = await pair.alice.call("PUT", f"/chat/follows/{pair.bob.id}")
    assert (response.status_code, response.json()["username"]) == (200, pair.bob.username)
    assert (await pair.alice.call("DELETE", f"/chat/follows/{pair.bob.id}")).status_code == 200
    former = await pair.alice.call("DELETE", f"/chat/follows/former-{pair.bob.username}")
    assert (former.status_code, former.json()["error"]["code"]) == (404, "user_not_found")
    alice = await pair.alice.connect()
    await alice.send("block.remove", username=f"former-{pair.bob.username}")
    await alice.expect_error("user_not_found")


async def test_a_rename_keeps_blocks_and_follows(pair: Pair) -> None:
    alice, former = await pair.alice.connect(), pair.bob.username
    await pair.alice.befriend(pair.bob)
    renamed = f"new-{former}"
    async with await RawSocket.connect(pair.bob.url, mint(renamed, sub=pair.bob.id)) as bob:
        await bob.expect("connection.success")
    await alice.expect("user.updated", userId=pair.bob.id, username=renamed)
    assert [friend["username"] for friend in (await pair.alice.get("/chat/friends"))["items"]] == [renamed]
    await alice.send("block.add", userId=pair.bob.id)
    await alice.expect("block.added", username=renamed)
    assert [each["username"] for each in (await pair.alice.get("/chat/blocks"))["items"]] == [renamed]
    await alice.send("block.remove", username=former)
    await alice.expect_error("user_not_found")
    await alice.send("block.remove", username=renamed)
    await alice.expect("block.removed", username=renamed)


@pytest.mark.parametrize("name", ["..", ".", "%0A", "a%0D%0Ab", "%2e%2e%2f", "%00"])
async def test_odd_names_in_paths_are_nobodys(pair: Pair, name: str) -> None:
    for method in ("PUT", "DELETE"):
        response = await pair.alice.call(method, f"/chat/follows/{name}")
        assert response.status_code in {400, 404, 405}, response.text
    response = await pair.alice.call("POST", "/chat/conversations", json={"username": name})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "user_not_found")
