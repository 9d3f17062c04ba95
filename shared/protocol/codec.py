"""Instants and encoders shared by every wire format."""

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
"""A UUID kept as text: it is compared, keyed and passed on far more often than it is computed with.

Its form is for `is_uuid` to check, which says what is wrong; a length would be found wrong first.
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
    """True when `text` is a hyphenated lower-case UUID, of any version (RFC 9562, section 4)."""
    # Texts of another length come from clients and may be long: they must not fill the cache.
    return len(text) == UUID_CHARACTERS and _matches_uuid(text)


@lru_cache(maxsize=65_536)
def _matches_uuid(text: str) -> bool:
    """Cached: a conversation's id comes with each of its messages, and the pattern costs 0.8 µs."""
    return _uuid.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def instant(at: datetime) -> str:
    """`at` (aware) as RFC 3339 UTC with milliseconds: `2024-01-01T11:00:00.000Z`.

    Cached: all rows of one statement share their time.
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant_of_ms(unix_ms: int) -> str:
    """Unix milliseconds as an instant of the protocol."""
    return instant(datetime.fromtimestamp(unix_ms / 1000, UTC))
