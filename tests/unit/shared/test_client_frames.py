"""What a client frame may hold, and what is refused."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.protocol import limits
from shared.protocol.client import MessageSend, Ping, frame_decoder

CONVERSATION = "0190a1b2-0000-7000-8000-00000000c001"


def send(**payload: Any) -> bytes:
    """A `message.send` frame with `payload` over valid defaults."""
    body = {"conversationId": CONVERSATION, "type": "text", "content": "hi", "tempId": "t"} | payload
    body = {name: value for name, value in body.items() if value is not ...}
    return json.dumps({"type": "message.send", "payload": body}).encode()


def image(**fields: Any) -> dict[str, Any]:
    return {"url": "https://cdn.example/1.jpg", "type": "image"} | fields


@pytest.mark.parametrize(
    "payload",
    [
        {"content": "x" * limits.MAX_CONTENT_CHARACTERS},
        {"content": "สวัสดี 👋🏽"},
        {"content": ..., "media": [image()]},
        {"content": "  ", "media": [image()]},
        {"content": "", "media": [image(width=1, height=2, size=3, name="a", thumbnail="https://cdn.example/t.jpg")]},
        {"content": ..., "media": [image()] * limits.MAX_MEDIA},
        {"type": "audio", "media": [image(type="audio")]},
        {"conversationId": CONVERSATION.upper()},
        {"tempId": ...},
        {"tempId": "x" * limits.MAX_TEMP_ID_CHARACTERS},
        {"someField": {"of": "tomorrow"}},
    ],
)
def test_accepted(payload: dict[str, Any]) -> None:
    assert isinstance(frame_decoder.decode(send(**payload)), MessageSend)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"content": ...}, "content or media is required"),
        ({"content": " \n\t\u2003"}, "content or media is required"),
        ({"content": "", "media": []}, "content or media is required"),
        ({"content": "x" * (limits.MAX_CONTENT_CHARACTERS + 1)}, "length <= 4000"),
        ({"content": "a\0b"}, r"U\+0000"),
        ({"content": 7}, "str"),
        ({"conversationId": ...}, "conversationId"),
        ({"conversationId": "0190a1b2"}, "conversationId"),
        ({"conversationId": "g" * 36}, "UUID"),
        ({"conversationId": CONVERSATION.replace("-", "_")}, "UUID"),
        ({"type": "poem"}, "poem"),
        ({"tempId": ""}, "length >= 1"),
        ({"tempId": "x" * (limits.MAX_TEMP_ID_CHARACTERS + 1)}, "length <= 64"),
        ({"tempId": "a\0"}, r"U\+0000"),
        ({"media": [image()] * (limits.MAX_MEDIA + 1)}, "length <= 10"),
        ({"media": [image(url="https://cdn.example/" + "x" * limits.MAX_URL_CHARACTERS)]}, "length <= 2048"),
        ({"media": [image(type="text")]}, "text"),
        ({"media": [image(width=-1)]}, ">= 0"),
        ({"media": [image(size=2**53)]}, "<= 9007199254740991"),
        ({"media": [image(width=1.5)]}, "int"),
        ({"media": [image(name="\0")]}, r"U\+0000"),
        ({"media": image()}, "array"),
    ],
)
def test_refused_with_a_reason(payload: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        frame_decoder.decode(send(**payload))


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00x"', "NaN", "1e999", '"\\x00"'])
def test_what_is_not_json_is_refused(text: str) -> None:
    frame = send(content=...).replace(b'"type": "text"', b'"type": "text", "content": ' + text.encode())
    with pytest.raises(msgspec.DecodeError):
        frame_decoder.decode(frame)


def test_deep_nesting_is_refused_and_not_followed() -> None:
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        frame_decoder.decode(b'{"type":"ping","payload":{"x":' + b"[" * 100_000)


def test_ping_needs_no_payload() -> None:
    assert isinstance(frame_decoder.decode(b'{"type":"ping"}'), Ping)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error(frame: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        frame_decoder.decode(frame)


@given(st.text(max_size=50))
def test_any_content_survives(content: str) -> None:
    storable = "\0" not in content and content.strip() and content.isprintable()
    if storable:
        decoded = frame_decoder.decode(send(content=content))
        assert isinstance(decoded, MessageSend)
        assert decoded.payload.content == content
