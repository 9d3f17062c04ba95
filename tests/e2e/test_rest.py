"""The REST calls (docs/protocol.md, «REST»)."""

from typing import Any

import pytest

from tests.e2e.conftest import Pair
from tests.support.people import People, text_message
from tests.support.stack import Stack

PATHS = [
    ("GET", "/chat/conversations"),
    ("POST", "/chat/conversations"),
    ("GET", "/chat/unread"),
    ("GET", "/chat/blocks"),
    ("GET", "/chat/users/me"),
    ("PATCH", "/chat/users/me"),
    ("GET", "/chat/friends"),
    ("GET", "/chat/presence"),
    ("PUT", "/chat/follows/somebody"),
    ("DELETE", "/chat/follows/somebody"),
    ("PUT", "/chat/push/subscriptions"),
    ("DELETE", "/chat/push/subscriptions"),
    ("POST", "/chat/uploads"),
    ("POST", "/chat/uploads/0190a1b2-0000-7000-8000-00000000e001/complete"),
    ("GET", "/chat/uploads/0190a1b2-0000-7000-8000-00000000e001"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_without_a_token_everything_is_401(people: People, method: str, path: str) -> None:
    nobody = people.make()
    nobody.token = "nonsense"
    response = await nobody.call(method, path)
    assert response.status_code == 401
    assert response.json()["type"] == "error"
    assert response.json()["error"]["code"] == "unauthorized"


async def test_a_conversation_is_made_once_for_both(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await alice.get("/chat/users/me")
    await bob.get("/chat/users/me")
    made = await alice.call("POST", "/chat/conversations", json={"username": bob.username})
    assert made.status_code == 201
    again = await bob.call("POST", "/chat/conversations", json={"userId": alice.id})
    assert again.status_code == 200
    assert again.json()["id"] == made.json()["id"]
    body = made.json()
    assert body.keys() == {"id", "participants", "lastMessage", "lastSeq", "unread", "updatedAt", "me", "firstSeq"}
    assert {one["username"] for one in body["participants"]} == {alice.username, bob.username}
    assert (body["lastMessage"], body["lastSeq"], body["unread"]) == (None, 0, 0)


@pytest.mark.parametrize(
    "body", [{}, {"username": 7}, {"userId": "nonsense"}, {"username": "a", "userId": "b"}, [], None]
)
async def test_a_conversation_with_nobody_is_422(people: People, body: object) -> None:
    response = await people.make().call("POST", "/chat/conversations", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/chat/conversations", {"userId": "nonsense"}, "userId"),
        ("POST", "/chat/conversations", {"userId": "0190a1b2000070008000000000000001abcd"}, "userId"),
        ("GET", "/chat/conversations/nonsense", None, "conversation_id"),
        ("POST", "/chat/reports", {"conversationId": "x", "seqs": [1], "reason": "spam"}, "conversationId"),
        ("GET", "/chat/presence?userId=nonsense", None, "userId"),
    ],
)
async def test_what_is_no_id_is_called_so(people: People, method: str, path: str, body: object, field: str) -> None:
    response = await people.make().call(method, path, json=body)
    assert response.status_code == 422
    message = response.json()["error"]["message"]
    assert field in message
    assert "UUID" in message
    assert "pattern" not in message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/users/me", {"displayname": "Alice"}),
        ("/chat/users/me/settings", {"Push": {"preview": False}}),
        ("/chat/users/me/settings", {"push": {"previews": False}}),
        ("/chat/conversations/{conversation}", {"mutedUntill": None}),
    ],
)
async def test_a_change_of_something_unknown_is_refused_and_named(pair: Pair, path: str, body: dict[str, Any]) -> None:
    response = await pair.alice.call("PATCH", path.format(conversation=pair.conversation), json=body)
    assert response.status_code == 422
    inner = body.get("push", body)
    assert next(iter(inner)) in response.json()["error"]["message"]


async def test_a_conversation_with_a_stranger_is_404_and_with_oneself_422(people: People) -> None:
    alice = people.make("alice")
    unknown = await alice.call("POST", "/chat/conversations", json={"username": "nobody-of-this-name"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "user_not_found")
    oneself = await alice.call("POST", "/chat/conversations", json={"username": alice.username})
    assert oneself.status_code == 422


async def test_outsiders_get_404(pair: Pair, people: People) -> None:
    carol = people.make("carol")
    for path in (f"/chat/conversations/{pair.conversation}", f"/chat/conversations/{pair.conversation}/messages"):
        response = await carol.call("GET", path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "conversation_not_found")


async def test_conversations_are_listed_newest_first_with_paging(people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    made = []
    for number in range(3):
        made.append(await alice.conversation_with(people.make(f"friend{number}")))
        await socket.send("message.send", **text_message(made[-1], f"to {number}", str(number)))
        await socket.expect("message.sent", tempId=str(number))
    first = await alice.get("/chat/conversations?limit=2")
    assert [one["id"] for one in first["items"]] == [made[2], made[1]]
    assert first["items"][0]["lastMessage"]["content"] == "to 2"
    assert first["items"][0]["lastSeq"] == 1
    second = await alice.get("/chat/conversations", params={"limit": 2, "page": first["nextPage"]})
    assert [one["id"] for one in second["items"]] == [made[0]]
    assert second["nextPage"] is None


async def test_history_pages_by_seq_in_both_directions(pair: Pair) -> None:
    alice = await pair.alice.connect()
    for number in range(1, 8):
        await alice.send("message.send", **text_message(pair.conversation, f"m{number}", str(number)))
        await alice.expect("message.sent", tempId=str(number))
    path = f"/chat/conversations/{pair.conversation}/messages"

    async def seqs(query: str) -> list[int]:
        return [message["seq"] for message in (await pair.bob.get(path + query))["items"]]

    assert await seqs("?afterSeq=2&limit=3") == [3, 4, 5]
    assert await seqs("?afterSeq=7") == []
    assert sorted(await seqs("?beforeSeq=4&limit=2")) == [2, 3]
    assert sorted(await seqs("")) == [1, 2, 3, 4, 5, 6, 7]
    page = await pair.bob.get(path + "?afterSeq=0&limit=4")
    rest = await pair.bob.get(path, params={"afterSeq": 0, "limit": 4, "page": page["nextPage"]})
    assert [message["seq"] for message in page["items"] + rest["items"]] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "afterSeq=-1", "afterSeq=x", "page=%FF", "page=nonsense"]
)
async def test_bad_queries_are_422(pair: Pair, query: str) -> None:
    response = await pair.alice.call("GET", f"/chat/conversations/{pair.conversation}/messages?{query}")
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "validation_error"


async def test_profile_from_claims_and_edited(people: People) -> None:
    alice = people.make("alice", name="Alice Liddell")
    assert await alice.get("/chat/users/me") == {
        "id": alice.id,
        "username": alice.username,
        "displayName": "Alice Liddell",
        "avatar": None,
    }
    changed = await alice.call(
        "PATCH", "/chat/users/me", json={"displayName": "อลิซ", "avatar": "https://cdn.example/a.png"}
    )
    assert changed.status_code == 200
    profile = await alice.get("/chat/users/me")
    assert (profile["displayName"], profile["avatar"]) == ("อลิซ", "https://cdn.example/a.png")


@pytest.mark.parametrize("content", [b"{", b"\xff"])
async def test_who_sends_what_is_no_json_needs_a_token_too(pair: Pair, content: bytes) -> None:
    body: dict[str, Any] = {"content": content, "headers": {"Content-Type": "application/json"}}
    refused = await pair.alice.call("POST", "/chat/conversations", **body)
    assert (refused.status_code, "ratelimit" in refused.headers) == (422, True)
    pair.alice.token = "nonsense"
    assert (await pair.alice.call("POST", "/chat/conversations", **body)).status_code == 401


@pytest.mark.parametrize(
    "body", [{"displayName": ""}, {"displayName": "x" * 256}, {"avatar": "ftp://x"}, {"displayName": "a\0"}]
)
async def test_a_bad_profile_is_422(people: People, body: dict[str, str]) -> None:
    assert (await people.make().call("PATCH", "/chat/users/me", json=body)).status_code == 422


async def test_a_body_over_the_limit_is_413(people: People) -> None:
    response = await people.make().call("PATCH", "/chat/users/me", content=b"x" * (70 * 1024))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "validation_error"


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/chat/ws")])
async def test_pages_of_an_allowed_origin_may_call(people: People, stack: Stack, method: str, path: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    alice = people.make()
    allowed = await alice.call("OPTIONS", path, headers={"Origin": stack.url, **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, stack.url)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_pages_of_a_foreign_origin_may_not_call(people: People, method: str, path: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    foreign = await people.make().call("OPTIONS", path, headers={"Origin": "https://evil.example", **asked})
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers


async def test_push_key_is_public_and_an_uncompressed_point(people: People) -> None:
    answer = await people.make().get("/chat/push/key")
    assert len(answer["publicKey"]) == 87
