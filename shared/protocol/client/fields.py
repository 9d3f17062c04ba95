"""Types of the fields that clients send, and checks that types can't express."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from shared.protocol import limits
from shared.protocol.codec import is_uuid, json_encoder

MessageType = Literal["text", "image", "video", "audio", "file", "custom"]
MediaType = Literal["image", "video", "audio", "file"]
Availability = Literal["online", "away", "busy"]

Seq = Annotated[int, msgspec.Meta(ge=1, le=limits.MAX_SAFE_INTEGER)]
TempId = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_TEMP_ID_CHARACTERS)]
Content = Annotated[str, msgspec.Meta(max_length=limits.MAX_CONTENT_CHARACTERS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_URL_CHARACTERS)]
Username = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS)]


_TOO_DEEP: Final = f"metadata must not be nested deeper than {limits.MAX_METADATA_DEPTH} levels"


def refuse_nul(*texts: str | None) -> None:
    """Raise ValueError when a text holds U+0000, which PostgreSQL can't store (SQLSTATE 22021)."""
    for text in texts:
        if text and "\0" in text:
            raise ValueError("U+0000 is not allowed")


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raise ValueError when metadata is too big, too deep, or holds U+0000 in a key or a text."""
    try:
        size = len(json_encoder.encode(metadata))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    # First, because what follows takes long for as much as a frame may have.
    _refuse_above_limit(size)
    level: list[Any] = [metadata]
    for _ in range(limits.MAX_METADATA_DEPTH):
        texts = [value for value in level if isinstance(value, str)]
        texts += [key for value in level if isinstance(value, dict) for key in value]
        refuse_nul(*texts)
        size += sum(_added_digits(value) for value in level if isinstance(value, float))
        inner: list[Any] = []
        for value in level:
            inner += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not inner:
            break
        level = inner
    else:
        raise ValueError(_TOO_DEEP)
    _refuse_above_limit(size)


def _refuse_above_limit(size: int) -> None:
    if size > limits.MAX_METADATA_BYTES:
        raise ValueError(
            f"metadata is {size} bytes as compact JSON without exponents; the limit is {limits.MAX_METADATA_BYTES}"
        )


def _added_digits(number: float) -> int:
    """Return how much longer a number is without exponent, as PostgreSQL's jsonb returns it: `1e308` has 309 digits then."""
    text = json_encoder.encode(number).decode()
    return len(f"{Decimal(text):f}") - len(text) if "e" in text else 0


def require_uuid(text: str) -> None:
    """Raise ValueError unless `text` is a hyphenated UUID, in either case (RFC 9562, section 4)."""
    if not is_uuid(text) and not is_uuid(text.lower()):
        raise ValueError("conversationId must be a UUID with hyphens")
