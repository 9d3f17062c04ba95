"""Timestamps and encoders shared by every wire format."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final

import msgspec

UUID_CHARACTERS: Final = 36
Uuid = Annotated[
    str,
    msgspec.Meta(
        description="A UUID in its hyphenated form",
        extra_json_schema={"format": "uuid", "minLength": UUID_CHARACTERS, "maxLength": UUID_CHARACTERS},
    ),
]
"""A UUID as text, because it is mostly compared, used as a key and passed on.

`is_uuid` checks its form, with a clear error. A length constraint here would fail first, with a less clear one.
"""
Instant = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339 UTC with milliseconds",
        examples=["2024-01-01T11:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]

json_encoder: Final = msgspec.json.Encoder()
msgpack_encoder: Final = msgspec.msgpack.Encoder()

_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def is_uuid(text: str) -> bool:
    """Return True when `text` is a hyphenated lower-case UUID of any version (RFC 9562, section 4)."""
    # Clients may send long texts, which must not fill the cache.
    return len(text) == UUID_CHARACTERS and _matches_uuid(text)


@lru_cache(maxsize=65_536)
def _matches_uuid(text: str) -> bool:
    """Match the pattern, which costs 0.8 µs. It is cached, because a conversation's id comes with each of its messages."""
    return _uuid.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def instant(at: datetime) -> str:
    """Return `at` (aware) as RFC 3339 UTC with milliseconds: `2024-01-01T11:00:00.000Z`.

    It is cached, because all rows of one statement share their time.
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant_of_ms(unix_ms: int) -> str:
    """Return Unix milliseconds as a timestamp of the protocol."""
    return instant(datetime.fromtimestamp(unix_ms / 1000, UTC))
