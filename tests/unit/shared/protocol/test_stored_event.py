"""shared.protocol.stored_event: the size of a message counts in bytes."""

import json

import pytest

from shared.protocol import limits
from shared.protocol.stored_event import size_fault


def media_of(size: int) -> bytes:
    """A list of media whose stored event, with the content `hi`, takes `size` bytes."""
    around = len(b'{"content":"hi","media":[{"url":""}]}')
    return json.dumps([{"url": "x" * (size - around)}], separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "content", ["\U0001f600" * limits.MAX_CONTENT_CHARACTERS, "\x01" * limits.MAX_CONTENT_CHARACTERS]
)
def test_text_alone_always_fits(content: str) -> None:
    assert size_fault(content, None) is None


def test_the_limit_is_exact() -> None:
    assert size_fault("hi", media_of(limits.MAX_STORED_EVENT_BYTES)) is None
    fault = size_fault("hi", media_of(limits.MAX_STORED_EVENT_BYTES + 1))
    assert fault == "The message takes 32769 bytes as stored; the limit is 32768 bytes"


def test_metadata_counts_too() -> None:
    metadata = b'{"a":"' + b"x" * 4_000 + b'"}'
    assert size_fault(None, None, metadata) is None
    assert size_fault("hi", media_of(limits.MAX_STORED_EVENT_BYTES - 1), metadata) is not None
