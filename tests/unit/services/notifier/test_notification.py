"""The text of a notification, which is cut between characters and never inside one."""

import json
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.base64url import decode
from services.notifier.decision import Receiver, Unread
from services.notifier.notification import body_of, fitted, isolated, notification_of, title_of, topic_of
from services.notifier.push_settings import PushSettings
from services.notifier.webpush.encryption import MAX_PLAINTEXT_BYTES
from shared.protocol import relay
from shared.protocol.codec import json_encoder

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇹🇭"
THUMB = "👍🏽"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=500)
DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
COMBINED = unicodedata.normalize("NFD", "é")


def message(preview: str = "Hello there!", **changes: Any) -> relay.Undelivered:
    fields: dict[str, Any] = {
        "message_id": "0190a8a0-0000-7000-8000-000000000001",
        "conversation_id": "0190a8a0-0000-7000-8000-000000000002",
        "seq": 7,
        "sender_id": "0190a8a0-0000-7000-8000-000000000003",
        "sender_username": "somchai",
        "receiver_id": "0190a8a0-0000-7000-8000-000000000004",
        "type": "text",
        "preview": preview,
        "created_at_ms": 1_704_106_800_000,
    }
    return relay.Undelivered(**{**fields, **changes})


RECEIVER = Receiver(unread=Unread(conversation=2, total=5))


def encoded(one: relay.Undelivered, receiver: Receiver = RECEIVER) -> bytes:
    """What a browser gets of a message."""
    return json_encoder.encode(fitted(notification_of(one, receiver), MAX_PLAINTEXT_BYTES))


def test_the_text_of_the_contract() -> None:
    assert encoded(message(sender_name="Somchai S.")) == (
        b'{"title":"New message from somchai","body":"Hello there!","icon":"/icon-192x192.png","tag":"chat-message",'
        b'"data":{"type":"chat.message","conversationId":"0190a8a0-0000-7000-8000-000000000002",'
        b'"messageId":"0190a8a0-0000-7000-8000-000000000001","senderId":"0190a8a0-0000-7000-8000-000000000003",'
        b'"senderName":"Somchai S.","unread":{"conversation":2,"total":5}}}'
    )


def test_a_report_of_an_older_replica_has_no_display_name() -> None:
    assert notification_of(message(), RECEIVER).data.sender_name == "somchai"


def test_without_preview_nothing_of_the_content_is_said() -> None:
    receiver = Receiver(settings=PushSettings(preview=False))
    for kind in ("text", "image", "custom"):
        told = notification_of(message(type=kind), receiver)
        assert (told.title, told.body) == ("New message from somchai", "New message")


def test_an_edited_message_carries_its_text() -> None:
    assert notification_of(message(), Receiver(message_text="Hello, all!")).body == "Hello, all!"
    assert notification_of(message(type="image"), Receiver(message_text="a caption")).body == "📷 Sent a photo"


def test_a_custom_message_says_its_content_or_that_it_is_new() -> None:
    assert body_of(message("A poll", type="custom")) == "A poll"
    assert body_of(message("", type="custom")) == "New message"


def test_a_system_message_has_no_sender() -> None:
    told = notification_of(message("Welcome", type="system", sender_id="", sender_username=""), RECEIVER)
    assert (told.title, told.body) == ("New message", "Welcome")
    assert json_encoder.encode(told.data).count(b'"senderId":null') == 1


@pytest.mark.parametrize("name", ["somchai", "สมชาย", "سامي", "a b"])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert isolated(name) == name


@pytest.mark.parametrize("name", ["\u202eadmin", "\u2067x", "x\u2069\u202ey", "\u2068"])
def test_a_name_can_t_change_the_direction_of_the_text_around_it(name: str) -> None:
    title = title_of(message(sender_username=name))
    inner = title.removeprefix("New message from \u2068").removesuffix("\u2069")
    assert f"New message from \u2068{inner}\u2069" == title
    assert not set(inner) & set("\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image", "📷 Sent a photo"),
        ("video", "🎥 Sent a video"),
        ("audio", "🎵 Sent an audio message"),
        ("file", "📎 Sent a file"),
    ],
)
def test_other_types_say_what_was_sent(kind: str, body: str) -> None:
    assert body_of(message("", type=kind)) == body
    assert body_of(message("a caption", type=kind)) == body


def test_a_text_message_with_only_media_has_a_body() -> None:
    assert body_of(message("")) == "📎 Sent a file"


@pytest.mark.parametrize("character", ["x", "ก", "漢", "🙂", FAMILY, FLAG, THUMB, COMBINED, "\r\n"])
def test_a_hundred_code_points_without_a_part_of_a_character(character: str) -> None:
    assert body_of(message(character * 400)) == character * (100 // len(character))
    assert body_of(message("a" + character * 400)) == "a" + character * (99 // len(character))


def test_exactly_a_hundred_stay_whole() -> None:
    assert body_of(message("y" * 100)) == "y" * 100
    assert body_of(message("y" * 101)) == "y" * 100


def test_one_endless_character_is_cut_rather_than_left_out() -> None:
    preview = "e" + "\u0301" * 399
    assert body_of(message(preview)) == preview[:100]


@given(TEXT, TEXT)
def test_any_text_fits_and_is_a_beginning(preview: str, name: str) -> None:
    text = encoded(message(preview, sender_username=name, sender_name=name))
    assert len(text) <= MAX_PLAINTEXT_BYTES
    told = json.loads(text)
    assert told["body"]
    assert preview.startswith(told["body"])
    assert len(told["body"]) <= 100
    assert name.startswith(told["title"].removeprefix("New message from ")) or not set(name).isdisjoint(DIRECTION)


@pytest.mark.parametrize(
    "preview", ["\x01" * 400, "🙂" * 400, FAMILY * 57, "e" + "\U0001e000" * 399, '"' * 400, "x" * 9999]
)
def test_the_longest_parts_fit(preview: str) -> None:
    names = {"sender_username": "\x01" * 300, "sender_name": "\U0001e000" * 300}
    assert len(encoded(message(preview, **names))) <= MAX_PLAINTEXT_BYTES
    assert len(json_encoder.encode(fitted(notification_of(message(preview, **names), RECEIVER), 3_800))) <= 3_800


def test_the_topic_is_short_and_tells_nothing() -> None:
    conversation, alice, bob = message().conversation_id, "subscription-1", "subscription-2"
    topic = topic_of(conversation, alice)
    assert len(topic) == 32
    assert len(decode(topic)) == 24
    assert topic == topic_of(conversation, alice)
    assert topic != topic_of(conversation, bob)
    assert topic != topic_of(message().message_id, alice)


def test_the_declared_example_is_the_contract_s() -> None:
    assert list(msgspec.json.decode(encoded(message()))) == ["title", "body", "icon", "tag", "data"]
