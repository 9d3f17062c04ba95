"""The server API: a person is erased, or gets all their data."""

import json
import time
from typing import Any

import pytest

from shared.protocol.closing import CloseCode
from shared.protocol.errors import ErrorCode
from tests.e2e.conftest import Pair
from tests.support.gateway import eventually
from tests.support.people import People, Person, text_message
from tests.support.platform import Platform
from tests.support.sockets import RawSocket
from tests.support.stack import Stack
from tests.support.traces import in_store, nothing_left, traces
from tests.support.uploads import File, complete, picture, put, reserve
from tools.devtoken import mint

SECRET = "a secret of alice"


async def write(pair: Pair) -> None:
    """Messages of both, whose second one nobody has read."""
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for number, socket in enumerate((alice, bob, alice), 1):
        await socket.send("message.send", **text_message(pair.conversation, f"{SECRET} {number}", f"t{number}"))
        await socket.expect("message.sent", tempId=f"t{number}")


async def erased(platform: Platform, user_id: str) -> dict[str, Any]:
    """Erase, and wait until it is done."""
    job = await platform.expect(202, "DELETE", f"/users/{user_id}")

    async def done() -> dict[str, Any] | None:
        found: dict[str, Any] = await platform.expect(200, "GET", f"/jobs/{job['id']}")
        return found if found["state"] == "done" else None

    found = await eventually(done, seconds=90)
    assert found is not None
    return found


async def upload(pair: Pair) -> dict[str, Any]:
    """A picture of Alice, which no message has taken yet."""
    file = File(picture(), "private.jpg")
    reserved: dict[str, Any] = (await reserve(pair.alice, pair.conversation, file)).json()
    assert (await put(reserved, file.data)).is_success
    assert (await complete(pair.alice, reserved)).is_success
    return reserved


async def objects_gone(stack: Stack, upload_id: str) -> bool:
    """True when the store has nothing of the upload."""
    return not in_store(stack, [upload_id])


async def test_an_erased_user_leaves_a_tombstone(platform: Platform, stack: Stack, pair: Pair) -> None:
    await pair.alice.befriend(pair.bob)
    await write(pair)
    uploaded = await upload(pair)
    assert in_store(stack, [uploaded["uploadId"]])
    device = {"platform": "fcm", "token": f"phone-of-{pair.alice.id}"}
    assert (await pair.alice.call("PUT", "/chat/push/devices", json=device)).status_code == 204
    assert await traces(stack, device["token"])
    mine, others = pair.alice.sockets[0], pair.bob.sockets[0]
    await erased(platform, pair.alice.id)
    assert await mine.closed() == CloseCode.TOKEN_EXPIRED
    assert (await pair.alice.call("GET", "/chat/users/me")).status_code == 401
    told = await others.expect("user.deleted", userId=pair.alice.id)
    assert told["payload"]["conversationId"] == pair.conversation
    history = (await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]
    assert [message["seq"] for message in history] == [1, 2, 3]
    assert [message["content"] for message in history] == [None, f"{SECRET} 2", None]
    assert all(message["deletedAt"] for message in history if message["senderId"] == pair.alice.id)
    assert (await pair.bob.get("/chat/unread"))["total"] == 0
    assert (await pair.bob.get("/chat/friends"))["items"] == []
    assert await traces(stack, f"{SECRET} 2"), "the scan finds what is not erased"
    await eventually(lambda: objects_gone(stack, uploaded["uploadId"]), seconds=90)
    await nothing_left(stack, pair.alice.username, f"{SECRET} 1", f"{SECRET} 3", "private.jpg", device["token"])
    await others.send("message.send", **text_message(pair.conversation, "Hello?", "late"))
    await others.expect_error(ErrorCode.USER_NOT_FOUND, tempId="late")
    refused = await pair.bob.call("POST", "/chat/conversations", json={"userId": pair.alice.id})
    assert refused.json()["error"]["code"] == ErrorCode.USER_NOT_FOUND
    again = await platform.expect(202, "DELETE", f"/users/{pair.alice.id}")
    assert again["state"] == "done"


async def test_those_who_blocked_somebody_keep_no_name(platform: Platform, stack: Stack, people: People) -> None:
    alice, carol, dave = people.make("alice"), people.make("carol"), people.make("dave")
    former = alice.username
    await alice.get("/chat/users/me")
    await carol.get("/chat/users/me")
    await block(carol, former)
    later = f"later-{former}"
    await platform.expect(200, "PUT", f"/users/{alice.id}", json={"username": later, "displayName": "Alice"})
    unblocking = await block(dave, later)
    await unblocking.send("block.remove", username=later)
    await unblocking.expect("block.removed")
    await erased(platform, alice.id)
    await nothing_left(stack, former, later)
    assert (await carol.get("/chat/blocks"))["items"] == []


async def block(person: Person, username: str) -> RawSocket:
    """Block somebody; returns the connection."""
    socket = await person.connect()
    await socket.send("block.add", username=username)
    await socket.expect("block.added", username=username)
    return socket


async def test_a_later_token_makes_a_new_user(platform: Platform, pair: Pair) -> None:
    await write(pair)
    await erased(platform, pair.alice.id)

    async def accepted() -> bool:
        pair.alice.token = mint(pair.alice.username, iat=time.time())
        return (await pair.alice.call("GET", "/chat/users/me")).is_success

    await eventually(accepted, seconds=30)
    assert (await pair.alice.get("/chat/users/me"))["username"] == pair.alice.username
    assert (await pair.alice.get("/chat/conversations"))["items"] == []
    early = await pair.bob.connect()
    await early.send("message.send", **text_message(pair.conversation, "Too early", "early"))
    assert "POST /chat/conversations" in (await early.expect_event({"type": "error"}))["error"]["message"]
    assert await pair.bob.conversation_with(pair.alice) == pair.conversation
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await bob.send("message.send", **text_message(pair.conversation, "Welcome back", "back"))
    await alice.expect("message.new")


async def test_unknown_users_cannot_be_erased(platform: Platform, people: People) -> None:
    stranger = people.make("stranger")
    refused = await platform.expect(404, "DELETE", f"/users/{stranger.id}")
    assert refused["error"]["code"] == ErrorCode.USER_NOT_FOUND


@pytest.mark.parametrize("killed", ["admin-1", "messaging-1"])
async def test_an_erasure_goes_on_after_a_kill(platform: Platform, stack: Stack, pair: Pair, killed: str) -> None:
    await write(pair)
    job = await platform.expect(202, "DELETE", f"/users/{pair.alice.id}")
    await stack.kill(killed)
    await stack.start(killed)
    again = Platform(stack.admin_url)

    async def done() -> bool:
        answer = await again.call("GET", f"/jobs/{job['id']}")
        return answer.is_success and answer.json()["state"] == "done"

    await eventually(done, seconds=100)
    await nothing_left(stack, pair.alice.username, f"{SECRET} 3")


async def test_an_export_has_only_sender_and_time_of_others_messages(platform: Platform, pair: Pair) -> None:
    await pair.alice.befriend(pair.bob)
    await write(pair)
    await pair.alice.sockets[0].send("reaction.add", conversationId=pair.conversation, seq=2, emoji="👍")
    await pair.alice.sockets[0].expect("reaction.updated")
    await pair.alice.sockets[0].send(
        "message.edit", conversationId=pair.conversation, seq=3, content=f"{SECRET} 3, edited"
    )
    await pair.alice.sockets[0].expect("message.updated")
    pinned = await pair.alice.call("PATCH", f"/chat/conversations/{pair.conversation}", json={"pinned": True})
    assert pinned.is_success
    blocking = await block(pair.alice, pair.bob.username)
    await blocking.send("block.remove", username=pair.bob.username)
    await blocking.expect("block.removed")
    reserved = {"conversationId": pair.conversation, "name": "mine.png", "mimeType": "image/png", "size": 10}
    assert (await pair.alice.call("POST", "/chat/uploads", json=reserved)).status_code == 201
    report = {"conversationId": pair.conversation, "seqs": [2], "reason": "spam", "comment": "rude"}
    assert (await pair.alice.call("POST", "/chat/reports", json=report)).status_code == 201
    answer = await platform.call("GET", f"/users/{pair.alice.id}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[0]["kind"] == "user"
    assert lines[0]["username"] == pair.alice.username
    assert lines[-1] == {"kind": "end"}
    messages = {line["seq"]: line for line in lines if line["kind"] == "message"}
    assert [messages[seq].get("content") for seq in (1, 2, 3)] == [f"{SECRET} 1", None, f"{SECRET} 3, edited"]
    assert messages[2].keys() == {"kind", "id", "conversationId", "seq", "senderId", "createdAt"}
    (conversation,) = [line for line in lines if line["kind"] == "conversation"]
    assert conversation["userIds"] == sorted([pair.alice.id, pair.bob.id])
    assert (conversation["me"]["pinned"], conversation["me"]["mutedUntil"]) == (True, None)
    (revision,) = [line for line in lines if line["kind"] == "revision"]
    assert (revision["seq"], revision["content"]) == (3, f"{SECRET} 3")
    (blocked,) = [line for line in lines if line["kind"] == "block"]
    assert (blocked["blocker"], blocked["blocked"], blocked["active"]) == (pair.alice.id, pair.bob.id, False)
    follows = {(line["follower"], line["followee"]) for line in lines if line["kind"] == "follow"}
    assert follows == {(pair.alice.id, pair.bob.id), (pair.bob.id, pair.alice.id)}
    (reaction,) = [line for line in lines if line["kind"] == "reaction"]
    assert (reaction["conversationId"], reaction["seq"], reaction["emoji"]) == (pair.conversation, 2, "👍")
    (upload,) = [line for line in lines if line["kind"] == "upload"]
    assert (upload["name"], upload["size"]) == ("mine.png", 10)
    (reported,) = [line for line in lines if line["kind"] == "report"]
    assert (reported["reason"], reported["comment"]) == ("spam", "rude")
