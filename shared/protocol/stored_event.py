"""The stored size of a message: the compact JSON of `{content, media, metadata}` in UTF-8, without nulls."""

from typing import Final

import msgspec

from shared.protocol import limits
from shared.protocol.codec import json_encoder

_MAX_BYTES_PER_CHARACTER: Final = 6
"""A control character, as `\\u0001`."""
_FRAME_BYTES: Final = len(b'{"content":"","media":,"metadata":}')


class _StoredEvent(msgspec.Struct, omit_defaults=True):
    content: str | None = None
    media: msgspec.Raw | None = None
    metadata: msgspec.Raw | None = None


def size_fault(content: str | None, media: bytes | None, metadata: bytes | None = None) -> str | None:
    """Return why a message is too large to be stored, as a text for the client; None when it isn't.

    `media` and `metadata` are compact JSON texts from the client, or None. Text alone always fits, and isn't measured.
    """
    others = len(media or b"") + len(metadata or b"")
    if others + _FRAME_BYTES + _MAX_BYTES_PER_CHARACTER * len(content or "") <= limits.MAX_STORED_EVENT_BYTES:
        return None
    event = _StoredEvent(content, _raw(media), _raw(metadata))
    size = len(json_encoder.encode(event))
    if size <= limits.MAX_STORED_EVENT_BYTES:
        return None
    return f"The message takes {size} bytes as stored; the limit is {limits.MAX_STORED_EVENT_BYTES} bytes"


def _raw(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
