"""What a notification says; cut between characters, never through one."""

import json
import unicodedata
from typing import Any

import grapheme
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.notification import body_of, notification_of, topic_of
from services.notifier.webpush.base64url import decode
from services.notifier.webpush.encryption import MAX_PLAINTEXT_BYTES
from shared.protocol import relay

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇹🇭"
THUMB = "👍🏽"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=500)
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


def test_the_text_of_the_contract() -> None:
    assert notification_of(message()) == (
        b'{"title":"New message from somchai","body":"Hello there!","icon":"/icon-192x192.png","tag":"chat-message",'
        b'"data":{"type":"chat.message","conversationId":"0190a8a0-0000-7000-8000-000000000002",'
        b'"messageId":"0190a8a0-0000-7000-8000-000000000001","senderId":"0190a8a0-0000-7000-8000-000000000003"}}'
    )


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


def test_a_text_message_of_media_alone_says_something() -> None:
    assert body_of(message("")) == "📎 Sent a file"


@pytest.mark.parametrize("character", ["x", "ก", "漢", "🙂", FAMILY, FLAG, THUMB, COMBINED, "\r\n"])
def test_a_hundred_characters_as_a_reader_counts_them(character: str) -> None:
    fitting = relay.MAX_PREVIEW_CHARACTERS // len(character)
    preview = character * fitting
    expected = min(100, fitting - 1 if len(preview) == relay.MAX_PREVIEW_CHARACTERS and fitting <= 100 else fitting)
    assert body_of(message(preview)) == character * expected


def test_exactly_a_hundred_stay_whole() -> None:
    assert body_of(message("y" * 100)) == "y" * 100
    assert body_of(message("y" * 101)) == "y" * 100


def test_a_character_that_the_preview_s_own_cut_went_through_is_left_out() -> None:
    text = "a" * 45 + FAMILY * 60
    cut = text[: relay.MAX_PREVIEW_CHARACTERS]
    body = body_of(message(cut))
    assert body == "a" * 45 + FAMILY * 50
    short = (FAMILY * 60)[: relay.MAX_PREVIEW_CHARACTERS]
    assert body_of(message(short)) == FAMILY * (relay.MAX_PREVIEW_CHARACTERS // len(FAMILY))


def test_one_endless_character_is_kept_rather_than_nothing() -> None:
    preview = "e" + "\u0301" * (relay.MAX_PREVIEW_CHARACTERS - 1)
    assert body_of(message(preview)) == preview


@given(TEXT, TEXT)
def test_any_text_fits_and_is_a_beginning(preview: str, name: str) -> None:
    encoded = notification_of(message(preview, sender_username=name))
    assert len(encoded) <= MAX_PLAINTEXT_BYTES
    told = json.loads(encoded)
    assert told["body"]
    assert preview.startswith(told["body"])
    assert grapheme.length(told["body"]) <= 100
    assert told["title"] == f"New message from {name[:255]}"


@pytest.mark.parametrize(
    "preview", ["\x01" * 400, "🙂" * 400, FAMILY * 57, "e" + "\U0001e000" * 399, '"' * 400, "x" * 9999]
)
def test_the_longest_parts_fit(preview: str) -> None:
    assert len(notification_of(message(preview, sender_username="\x01" * 300))) <= MAX_PLAINTEXT_BYTES


def test_the_topic_is_short_and_tells_nothing() -> None:
    conversation, alice, bob = message().conversation_id, "subscription-1", "subscription-2"
    topic = topic_of(conversation, alice)
    assert len(topic) == 32
    assert len(decode(topic)) == 24
    assert topic == topic_of(conversation, alice)
    assert topic != topic_of(conversation, bob)
    assert topic != topic_of(message().message_id, alice)


def test_the_declared_example_is_the_contract_s() -> None:
    assert list(msgspec.json.decode(notification_of(message()))) == ["title", "body", "icon", "tag", "data"]
