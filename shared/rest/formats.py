"""Types of formatted texts in REST bodies."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.protocol.codec import is_uuid

_UUID: Final = Field(json_schema_extra={"format": "uuid"})


def _uuid(text: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError("must be a UUID with hyphens")
    return text.lower()


UuidText = Annotated[str, AfterValidator(_uuid), _UUID]
"""A UUID from a client, in upper or lower case; it is converted to lower case."""
IdText = Annotated[str, _UUID]
"""A UUID that the server made."""
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A timestamp that the server made: RFC 3339, UTC with milliseconds."""
