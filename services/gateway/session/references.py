"""Error references: the ids of a frame that the error about it repeats."""

import json
from typing import Any, Final

from shared.protocol import client, limits
from shared.protocol.errors import ErrorReference

_MAX_LENIENT_BYTES: Final = 64 * 1024
"""The longest refused frame that is parsed again to find its reference."""
TYPES: Final[dict[type[Any], str]] = {frame: name for name, frame in client.FRAMES.items()}
"""Frame → its event type."""


def reference_to(frame: client.ClientFrame) -> ErrorReference:
    """Return the reference of a valid frame."""
    payload: Any = frame.payload
    return ErrorReference(
        TYPES[type(frame)], getattr(payload, "temp_id", None), getattr(payload, "conversation_id", None)
    )


def reference_in(envelope: client.Envelope) -> ErrorReference:
    """Return the reference of a refused frame: only ids that the frame states, and only within their limits."""
    payload = envelope.payload if isinstance(envelope.payload, dict) else {}
    return ErrorReference(
        envelope.type[: limits.MAX_TEMP_ID_CHARACTERS],
        _short(payload.get("tempId")),
        _short(payload.get("conversationId")),
    )


def lenient_reference(data: bytes) -> ErrorReference | None:
    """Return the reference of a frame that is JSON by its grammar, but holds a lone surrogate or too large a number.

    RFC 8259 (sections 6 and 8.2) leaves both to the parser. msgspec refuses the whole frame; the sender should still learn which
    frame it was.
    """
    if len(data) > _MAX_LENIENT_BYTES:
        return None
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError):
        return None
    kind = frame.get("type") if isinstance(frame, dict) else None
    if not isinstance(kind, str) or kind not in client.FRAMES:
        return None
    return reference_in(client.Envelope(kind, frame.get("payload")))


def _short(value: Any) -> str | None:
    """Return `value` if it is a valid id."""
    if not isinstance(value, str) or len(value) > limits.MAX_TEMP_ID_CHARACTERS:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value
