"""Types of formatted texts in REST bodies."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from shared.protocol import limits
from shared.protocol.avatars import avatar_fault
from shared.protocol.codec import is_uuid
from shared.protocol.text import name_fault

_UUID: Final = Field(json_schema_extra={"format": "uuid"})


def _uuid(text: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError("must be a UUID with hyphens")
    return text.lower()


def _text_or_none(value: object) -> object:
    """Refuse numbers, and texts of digits: pydantic would take both as Unix times."""
    if value is not None and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("must be a time with a zone, such as 2030-01-01T00:00:00.000Z, or null")
    return value


def _in_utc(value: datetime | None) -> datetime | None:
    try:
        return None if value is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("must be a time between the years 1 and 9999") from None


def _allowed_name(name: str) -> str:
    fault = name_fault(name)
    if fault is not None:
        raise ValueError(fault)
    return name


def _allowed_avatar(url: str) -> str:
    fault = avatar_fault(url)
    if fault is not None:
        raise ValueError(fault)
    return url


UuidText = Annotated[str, AfterValidator(_uuid), _UUID]
"""A UUID from a client, in upper or lower case; it is converted to lower case."""
IdText = Annotated[str, _UUID]
"""A UUID that the server made."""
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A timestamp that the server made: RFC 3339, UTC with milliseconds."""
InstantOrNull = Annotated[
    AwareDatetime | None, Field(strict=False), BeforeValidator(_text_or_none), AfterValidator(_in_utc)
]
"""A time from a client, RFC 3339 with any zone, or null; it is converted to UTC."""
Username = Annotated[str, Field(min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS), AfterValidator(_allowed_name)]
"""A username from a client."""
DisplayName = Annotated[str, Field(max_length=limits.MAX_DISPLAY_NAME_CHARACTERS), AfterValidator(_allowed_name)]
"""A display name from a client."""
AvatarUrl = Annotated[
    str,
    Field(max_length=limits.MAX_URL_CHARACTERS, description="An https URL of a public host."),
    AfterValidator(_allowed_avatar),
]
"""An avatar's URL from a client."""
