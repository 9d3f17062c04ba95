"""The server API: import of users, follows, conversations and messages of an earlier system."""

import json
import uuid
from typing import Any

from tests.support.people import People
from tests.support.platform import Platform


def ndjson(*lines: dict[str, Any] | str) -> dict[str, Any]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return {"content": text.encode(), "headers": {"Content-Type": "application/x-ndjson"}}


def user(user_id: str, name: str) -> dict[str, Any]:
    return {"kind": "user", "id": user_id, "username": name, "displayName": name.capitalize(), "avatar": None}


def message(users: list[str], number: int, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "message",
        "userIds": users,
        "senderId": users[number % 2],
        "type": "text",
        "content": f"old {number}",
        "createdAt": f"2020-01-01T10:{number:02d}:00.000Z",
        "tempId": f"old-{number}",
        **fields,
    }


async def test_an_import_is_silent_in_order_and_repeatable(platform: Platform, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    users = [alice.id, bob.id]
    lines = [
        user(alice.id, alice.username),
        user(bob.id, bob.username),
        {"kind": "follow", "follower": alice.id, "followee": bob.id},
        {"kind": "follow", "follower": bob.id, "followee": alice.id},
        {"kind": "conversation", "userIds": users, "createdAt": "2020-01-01T09:00:00.000Z"},
        *[message(users, number) for number in range(6)],
    ]
    result = await platform.expect(200, "POST", "/import", **ndjson(*lines))
    assert result == {"imported": 11, "skipped": 0, "failed": [], "failures": 0}
    again = await platform.expect(200, "POST", "/import", **ndjson(*lines, message(users, 6)))
    assert again == {"imported": 1, "skipped": 11, "failed": [], "failures": 0}
    socket = await alice.connect()
    (conversation,) = (await alice.get("/chat/conversations"))["items"]
    assert (conversation["lastSeq"], conversation["unread"]) == (7, 0)
    assert conversation["lastMessage"]["content"] == "old 6"
    history = (await bob.get(f"/chat/conversations/{conversation['id']}/messages"))["items"]
    assert [(m["seq"], m["content"], m["createdAt"]) for m in history] == [
        (number + 1, f"old {number}", f"2020-01-01T10:{number:02d}:00.000Z") for number in range(7)
    ]
    assert all(m["isRead"] for m in history)
    assert (await alice.get("/chat/unread"))["total"] == (await bob.get("/chat/unread"))["total"] == 0
    assert [friend["userId"] for friend in (await alice.get("/chat/friends"))["items"]] == [bob.id]
    live = await bob.connect()
    await live.send("message.send", conversationId=conversation["id"], type="text", content="new", tempId="n")
    new = (await socket.expect("message.new"))["payload"]
    assert (new["message"]["seq"], new["unread"]) == (8, {"conversation": 1, "total": 1})
    assert socket.of_type("message.new")[0]["payload"]["message"]["content"] == "new"


async def test_a_bad_line_fails_alone(platform: Platform) -> None:
    one, other = await platform.make_user("one"), await platform.make_user("other")
    users, stranger = [one["id"], other["id"]], str(uuid.uuid4())
    result = await platform.expect(
        200,
        "POST",
        "/import",
        **ndjson(
            message(users, 1),
            "{not json",
            message(users, 2, content=" "),
            message(users, 3, senderId=stranger),
            message([one["id"], stranger], 0, senderId=one["id"]),
            {"kind": "unheard-of"},
            message(users, 4, createdAt="yesterday"),
            "",
            "x" * 70_000,
            user(stranger, "in\u200bvisible"),
            message(users, 6, createdAt="0001-01-01T00:00:00.000+14:00"),
            message(users, 5),
        ),
    )
    assert (result["imported"], result["skipped"], result["failures"]) == (2, 0, 9)
    assert [failed["line"] for failed in result["failed"]] == [2, 3, 4, 5, 6, 7, 9, 10, 11]
    assert all(failed["error"] for failed in result["failed"])


async def test_other_content_is_refused(platform: Platform) -> None:
    await platform.expect(422, "POST", "/import", json={"kind": "user"})
