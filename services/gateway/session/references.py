"""What an error names of the frame that it answers."""

import json
from typing import Any, Final

from shared.protocol import client, limits
from shared.protocol.errors import ErrorReference

_MAX_LENIENT_BYTES: Final = 64 * 1024
"""A frame that is no JSON to us is read again for its reference, unless it is longer than this."""
TYPES: Final[dict[type[Any], str]] = {frame: name for name, frame in client.FRAMES.items()}
"""Frame → its event type."""


def reference_to(frame: client.ClientFrame) -> ErrorReference:
    """What names a valid frame to its sender."""
    payload: Any = frame.payload
    return ErrorReference(
        TYPES[type(frame)], getattr(payload, "temp_id", None), getattr(payload, "conversation_id", None)
    )


def reference_in(envelope: client.Envelope) -> ErrorReference:
    """What names a refused frame to its sender: only what it said itself, in bounds."""
    payload = envelope.payload if isinstance(envelope.payload, dict) else {}
    return ErrorReference(
        envelope.type[: limits.MAX_TEMP_ID_CHARACTERS],
        _short(payload.get("tempId")),
        _short(payload.get("conversationId")),
    )


def lenient_reference(data: bytes) -> ErrorReference | None:
    """What names a frame that is JSON by its grammar, but holds a lone surrogate or a number that nothing can hold.

    RFC 8259 (sections 6 and 8.2) leaves both to the reader. msgspec refuses the whole frame; its sender shall know which.
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
    """`value` if it is a text that we would take as an id."""
    if not isinstance(value, str) or len(value) > limits.MAX_TEMP_ID_CHARACTERS:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value
