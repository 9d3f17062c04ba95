"""Messages, through the load balancer and two gateways (docs/protocol.md, «Messages»)."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import Pair
from tests.support.people import People, text_message

IMAGE = {
    "url": "https://cdn.example/1.jpg",
    "thumbnail": "https://cdn.example/1s.jpg",
    "type": "image",
    "width": 1920,
    "height": 1080,
    "size": 1024000,
    "name": "ภาพ.jpg",
}


async def test_a_message_is_acknowledged_and_delivered(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **text_message(pair.conversation, "Hello there! สวัสดี 👋🏽", "t1"))
    sent = await alice.expect("message.sent", tempId="t1")
    new = await bob.expect("message.new")
    assert sent["cursor"]
    assert new["cursor"]
    message = sent["payload"]["message"]
    assert message | {"sender": None} == new["payload"]["message"] | {"sender": None}
    assert (
        message.items()
        >= {
            "conversationId": pair.conversation,
            "seq": 1,
            "senderId": pair.alice.id,
            "type": "text",
            "content": "Hello there! สวัสดี 👋🏽",
            "isRead": False,
            "readAt": None,
            "deliveredAt": None,
        }.items()
    )
    assert new["payload"]["message"]["sender"] == {
        "id": pair.alice.id,
        "username": pair.alice.username,
        "displayName": pair.alice.username.capitalize(),
        "avatar": None,
    }
    assert new["payload"]["unread"] == {"conversation": 1, "total": 1}


async def test_every_device_of_both_hears_of_it(pair: Pair) -> None:
    first, second = await pair.alice.connect(), await pair.alice.connect()
    others = [await pair.bob.connect(), await pair.bob.connect()]
    await first.send("message.send", **text_message(pair.conversation, "hi", "t1"))
    for socket in (first, second):
        await socket.expect("message.sent", tempId="t1")
        await socket.refute("message.new", within=0.2)
    for socket in others:
        await socket.expect("message.new")
        await socket.refute("message.sent", within=0.2)


async def test_media_comes_back_as_it_was(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for kind in ("image", "video", "audio", "file"):
        media = [{**IMAGE, "type": kind}, {"url": "https://cdn.example/2.bin", "type": "file"}]
        payload = {"conversationId": pair.conversation, "type": kind, "media": media, "tempId": kind}
        await alice.send("message.send", **payload)
        sent = await alice.expect("message.sent", tempId=kind)
        assert sent["payload"]["message"]["media"] == media
        new = await bob.expect("message.new")
        assert new["payload"]["message"]["media"] == media
        assert new["payload"]["message"]["type"] == kind


async def test_seq_counts_without_gaps_in_both_directions(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for number in range(5):
        await alice.send("message.send", **text_message(pair.conversation, f"a{number}", f"a{number}"))
        await bob.send("message.send", **text_message(pair.conversation, f"b{number}", f"b{number}"))
    for socket in (alice, bob):
        for number in range(5):
            await socket.expect("message.sent", tempId=("a" if socket is alice else "b") + str(number))
            await socket.expect("message.new")
    messages = [
        event["payload"]["message"] for event in alice.events if event["type"] in {"message.sent", "message.new"}
    ]
    assert sorted(message["seq"] for message in messages) == list(range(1, 11))


async def test_a_pipelined_sender_keeps_its_order(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    contents = [f"message {number}" for number in range(25)]
    for number, content in enumerate(contents):
        await alice.send("message.send", **text_message(pair.conversation, content, str(number)))
    received = [(await bob.expect("message.new"))["payload"]["message"] for _ in contents]
    assert [message["content"] for message in received] == contents
    assert [message["seq"] for message in received] == list(range(1, 26))


async def test_the_same_temp_id_stores_one_message(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    answers = []
    for _ in range(3):
        await alice.send("message.send", **text_message(pair.conversation, "once", "same"))
        answers.append((await alice.expect("message.sent", tempId="same"))["payload"]["message"])
    assert answers[0] == answers[1] == answers[2]
    await bob.expect("message.new")
    await bob.refute("message.new", within=0.5)
    history = await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages")
    assert [message["content"] for message in history["items"]] == ["once"]
    assert (await pair.bob.get("/chat/unread"))["total"] == 1


async def test_the_same_temp_id_with_another_body_is_refused(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "first", "t"))
    await alice.expect("message.sent", tempId="t")
    await alice.send("message.send", **text_message(pair.conversation, "second", "t"))
    error = await alice.expect_error("duplicate_temp_id", type="message.send", tempId="t")
    assert error["error"]["retryable"] is False
    assert error["ref"]["conversationId"] == pair.conversation


async def test_two_senders_may_use_one_temp_id(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for socket in (alice, bob):
        await socket.send("message.send", **text_message(pair.conversation, "mine", "t"))
        await socket.expect("message.sent", tempId="t")
    history = await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages")
    assert len(history["items"]) == 2


async def test_without_temp_id_each_is_a_message(pair: Pair) -> None:
    alice = await pair.alice.connect()
    for _ in range(2):
        await alice.send("message.send", **text_message(pair.conversation, "again"))
        assert (await alice.expect("message.sent"))["payload"]["tempId"] is None
    assert len((await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]) == 2


async def test_outsiders_and_unknown_conversations_look_the_same(pair: Pair, people: People) -> None:
    carol = await people.make("carol").connect()
    unknown = "0190a1b2-0000-7000-8000-00000000ffff"
    errors = []
    for conversation in (pair.conversation, unknown):
        await carol.send("message.send", **text_message(conversation, "hi", conversation[:8]))
        errors.append(await carol.expect_error("conversation_not_found", tempId=conversation[:8]))
    assert errors[0]["error"] == errors[1]["error"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"content": None}, "content"),
        ({"content": "   \n"}, "content"),
        ({"content": "x" * 4001}, "4000"),
        ({"content": "a\0b"}, "U+0000"),
        ({"type": "poem"}, "type"),
        ({"conversationId": "nonsense"}, "conversationId"),
        ({"tempId": "x" * 65}, "tempId"),
        ({"media": [IMAGE] * 11}, "media"),
        ({"media": [{**IMAGE, "url": "http://cdn.example/1.jpg"}]}, "url"),
        ({"media": [{**IMAGE, "url": "javascript:alert(1)"}]}, "url"),
        ({"media": [{**IMAGE, "thumbnail": "http://cdn.example/1.jpg"}]}, "thumbnail"),
        ({"media": [{**IMAGE, "url": "https://cdn.example/" + "x" * 2048}]}, "url"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_gets_a_clear_error(pair: Pair, payload: dict[str, Any], words: str) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **{**text_message(pair.conversation, "hi", "bad"), **payload})
    error = await alice.expect_error("validation_error", type="message.send")
    assert words in error["error"]["message"]
    assert error["error"]["retryable"] is False
    if payload.get("tempId") is None:
        assert error["ref"]["tempId"] == "bad"


@pytest.mark.parametrize(
    "frame", ["not json", "[]", "7", '"text"', "null", "{}", '{"type": 7}', '{"type":"message.send"}', "{" * 5000]
)
async def test_what_is_no_event_is_a_validation_error(pair: Pair, frame: str) -> None:
    alice = await pair.alice.connect()
    await alice.send_text(frame)
    await alice.expect_error("validation_error")
    await alice.send("ping")
    await alice.expect("pong")


async def test_lone_surrogates_are_refused(pair: Pair) -> None:
    alice = await pair.alice.connect()
    frame = json.dumps({"type": "message.send", "payload": text_message(pair.conversation, "\ud83d", "t")})
    await alice.send_text(frame)
    await alice.expect_error("validation_error")


async def test_binary_frames_are_refused(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send_bytes(b'{"type":"ping"}')
    await alice.expect_error("validation_error")


async def test_unknown_event_is_named(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.explode", conversationId=pair.conversation)
    error = await alice.expect_error("unknown_event", type="message.explode")
    assert "message.explode" in error["error"]["message"]


async def test_unknown_fields_are_ignored(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("message.send", **text_message(pair.conversation, "hi", "t", colour="red"))
    await alice.expect("message.sent", tempId="t")


async def test_ping_is_answered_with_server_time_and_echo(pair: Pair) -> None:
    alice = await pair.alice.connect()
    await alice.send("ping", timestamp=1704067200)
    payload = (await alice.expect("pong"))["payload"]
    assert payload["echo"] == 1704067200
    assert isinstance(payload["timestamp"], int)


async def test_both_participants_write_at_once(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()

    async def write(socket: Any, name: str) -> None:
        for number in range(12):
            await socket.send("message.send", **text_message(pair.conversation, f"{name}{number}", f"{name}{number}"))

    await asyncio.gather(write(alice, "a"), write(bob, "b"))
    for socket in (alice, bob):
        for _ in range(12):
            await socket.expect("message.sent")
            await socket.expect("message.new")
    for person in (pair.alice, pair.bob):
        page = await person.get(f"/chat/conversations/{pair.conversation}/messages?afterSeq=0&limit=100")
        assert [message["seq"] for message in page["items"]] == list(range(1, 25))
