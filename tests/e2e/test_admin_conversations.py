"""The server API: conversations, sending as a user, reading."""

import asyncio
import uuid

import pytest

from shared.protocol.errors import ErrorCode
from tests.e2e.conftest import Pair
from tests.support.people import People, text_message
from tests.support.platform import Platform


async def test_a_conversation_of_two_users_who_never_came(platform: Platform) -> None:
    one, other = await platform.make_user("one"), await platform.make_user("other")
    body = {"userIds": [one["id"], other["id"]]}
    made = await platform.expect(201, "POST", "/conversations", json=body)
    assert sorted(made["participants"], key=lambda each: each["id"]) == sorted(
        [{**each, "readSeq": 0, "deliveredSeq": 0} for each in (one, other)], key=lambda each: str(each["id"])
    )
    stands = await platform.expect(200, "POST", "/conversations", json={"userIds": [other["id"], one["id"]]})
    assert stands["id"] == made["id"]


async def test_conversations_need_two_known_users(platform: Platform) -> None:
    one = await platform.make_user("one")
    refused = await platform.expect(404, "POST", "/conversations", json={"userIds": [one["id"], str(uuid.uuid4())]})
    assert refused["error"]["code"] == ErrorCode.USER_NOT_FOUND
    for ids in ([one["id"]], [one["id"], one["id"]], [one["id"], "x"], []):
        await platform.expect(422, "POST", "/conversations", json={"userIds": ids})


async def test_sending_as_a_user_has_the_guarantees_of_a_clients_send(platform: Platform, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    path = f"/conversations/{pair.conversation}/messages"
    body = {"senderId": pair.alice.id, "type": "text", "content": "From the shop", "tempId": "t-1"}
    sent = await platform.expect(201, "POST", path, json=body)
    assert (sent["seq"], sent["senderId"], sent["content"]) == (1, pair.alice.id, "From the shop")
    own = await alice.expect("message.sent", tempId="t-1")
    assert own["payload"]["message"]["id"] == sent["id"]
    new = await bob.expect("message.new", message={"id": sent["id"]})
    assert new["payload"]["unread"] == {"conversation": 1, "total": 1}
    assert new["payload"]["message"]["sender"]["id"] == pair.alice.id
    assert await platform.expect(200, "POST", path, json=body) == sent
    refused = await platform.expect(409, "POST", path, json={**body, "content": "Another"})
    assert refused["error"]["code"] == ErrorCode.DUPLICATE_TEMP_ID
    assert (await pair.bob.get("/chat/unread"))["total"] == 1


async def test_ten_racing_repetitions_make_one_message(platform: Platform, pair: Pair) -> None:
    path = f"/conversations/{pair.conversation}/messages"
    body = {"senderId": pair.bob.id, "type": "text", "content": "Once", "tempId": "race"}
    answers = await asyncio.gather(*(platform.call("POST", path, json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_an_idempotency_key_does_what_a_temp_id_does(platform: Platform, pair: Pair) -> None:
    path = f"/conversations/{pair.conversation}/messages"
    body = {"senderId": pair.alice.id, "type": "text", "content": "Once"}
    for key in ("order-17", "k" * 200):
        first = await platform.expect(201, "POST", path, json=body, headers={"Idempotency-Key": key})
        again = await platform.expect(200, "POST", path, json=body, headers={"Idempotency-Key": key})
        assert again["id"] == first["id"]
    free = [await platform.expect(201, "POST", path, json=body) for _ in range(2)]
    assert free[0]["id"] != free[1]["id"]


async def test_sends_that_cannot_be(platform: Platform, pair: Pair, people: People) -> None:
    path = f"/conversations/{pair.conversation}/messages"
    text = {"senderId": pair.alice.id, "type": "text", "content": "x"}
    stranger = people.make("stranger")
    await stranger.get("/chat/users/me")
    for where, body, status, code in (
        (path, {**text, "senderId": stranger.id}, 404, ErrorCode.CONVERSATION_NOT_FOUND),
        (f"/conversations/{uuid.uuid4()}/messages", text, 404, ErrorCode.CONVERSATION_NOT_FOUND),
        (path, {**text, "content": " "}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {**text, "content": "x" * 4001}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {**text, "type": "system"}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {**text, "senderId": None}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {**text, "media": [{"url": "javascript:alert(1)", "type": "image"}]}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {**text, "type": "unheard-of"}, 422, ErrorCode.VALIDATION_ERROR),
        (path, {"type": "text", "content": "x"}, 422, ErrorCode.VALIDATION_ERROR),
    ):
        refused = await platform.expect(status, "POST", where, json=body)
        assert refused["error"]["code"] == code
    blocking = await pair.bob.connect()
    await blocking.send("block.add", username=pair.alice.username)
    await blocking.expect("block.added")
    assert (await platform.expect(403, "POST", path, json=text))["error"]["code"] == ErrorCode.BLOCKED


async def test_there_is_no_rate_limit(platform: Platform, pair: Pair) -> None:
    path = f"/conversations/{pair.conversation}/messages"
    for number in range(40):
        body = {"senderId": pair.alice.id, "type": "text", "content": f"{number}", "tempId": f"{number}"}
        assert (await platform.expect(201, "POST", path, json=body))["seq"] == number + 1


@pytest.mark.parametrize("direction", ["afterSeq", "beforeSeq"])
async def test_reading_page_by_page(platform: Platform, pair: Pair, direction: str) -> None:
    socket = await pair.alice.connect()
    for number in range(1, 8):
        await socket.send("message.send", **text_message(pair.conversation, f"m{number}", f"t{number}"))
        await socket.expect("message.sent", tempId=f"t{number}")
    path, params = (
        f"/conversations/{pair.conversation}/messages",
        {"limit": 3, direction: 0 if "after" in direction else 8},
    )
    seqs: list[int] = []
    page = await platform.expect(200, "GET", path, params=params)
    while True:
        found = [message["seq"] for message in page["items"]]
        seqs = [*seqs, *found] if "after" in direction else [*found, *seqs]
        if page["nextPage"] is None:
            break
        page = await platform.expect(200, "GET", path, params={"limit": 3, "page": page["nextPage"]})
    assert seqs == list(range(1, 8))
    refused = await platform.expect(404, "GET", f"/conversations/{uuid.uuid4()}/messages")
    assert refused["error"]["code"] == ErrorCode.CONVERSATION_NOT_FOUND


async def test_a_system_message_is_unread_for_both_and_has_no_sender(platform: Platform, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    path = f"/conversations/{pair.conversation}/messages"
    body = {"senderId": None, "type": "system", "content": "Order shipped", "metadata": {"order": 17}, "tempId": "s-1"}
    sent = await platform.expect(201, "POST", path, json=body)
    assert (sent["senderId"], sent["type"], sent["seq"]) == (None, "system", 1)
    for socket in (alice, bob):
        new = (await socket.expect("message.new"))["payload"]
        assert new["message"]["id"] == sent["id"]
        assert new["message"]["senderId"] is None
        assert "sender" not in new["message"]
        assert new["unread"] == {"conversation": 1, "total": 1}
    assert await platform.expect(200, "POST", path, json=body) == sent
    await platform.expect(409, "POST", path, json={**body, "content": "Another"})
    history = (await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]
    assert [(message["type"], message["metadata"]) for message in history] == [("system", {"order": 17})]
    await bob.send("message.read", conversationId=pair.conversation, seq=1)
    ack = (await bob.expect("message.read_ack"))["payload"]
    assert ack["unread"] == {"conversation": 0, "total": 0}
    assert (await pair.alice.get("/chat/unread"))["total"] == 1
    await platform.expect(204, "DELETE", f"{path}/1")
    for socket in (alice, bob):
        await socket.expect("message.deleted", conversationId=pair.conversation, seq=1)
    assert (await pair.alice.get("/chat/unread"))["total"] == 0


async def test_a_quote_of_a_system_message_has_no_sender(platform: Platform, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    body = {"senderId": None, "type": "system", "content": "Order shipped", "tempId": "s-1"}
    await platform.expect(201, "POST", f"/conversations/{pair.conversation}/messages", json=body)
    await alice.send("message.send", **text_message(pair.conversation, "When?", "t-1", replyTo=1))
    quote = {"seq": 1, "senderId": None, "type": "system", "content": "Order shipped"}
    assert (await alice.expect("message.sent"))["payload"]["message"]["replyTo"] == quote
    assert (await bob.expect("message.new", message={"seq": 2}))["payload"]["message"]["replyTo"] == quote
    history = (await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]
    assert [message["replyTo"] for message in history if message["seq"] == 2] == [quote]


async def test_a_takedown_is_a_deletion_by_the_sender(platform: Platform, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Something bad", "t-1"))
    await bob.expect("message.new")
    path = f"/conversations/{pair.conversation}/messages"
    for _ in range(2):
        await platform.expect(204, "DELETE", f"{path}/1")
    await alice.expect("message.deleted", conversationId=pair.conversation, seq=1)
    told = await bob.expect("message.deleted", conversationId=pair.conversation, seq=1)
    assert told["payload"]["unread"] == {"conversation": 0, "total": 0}
    (left,) = (await platform.expect(200, "GET", path))["items"]
    assert (left["content"], left["media"]) == (None, [])
    assert left["deletedAt"]
    refused = await platform.expect(404, "DELETE", f"{path}/2")
    assert refused["error"]["code"] == ErrorCode.MESSAGE_NOT_FOUND
    await platform.expect(404, "DELETE", f"/conversations/{uuid.uuid4()}/messages/1")
