"""Texts with a format, as REST takes and gives them."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.protocol.codec import is_uuid

_UUID: Final = Field(json_schema_extra={"format": "uuid"})


def _uuid(text: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError("must be a UUID with hyphens")
    return text.lower()


UuidText = Annotated[str, AfterValidator(_uuid), _UUID]
"""A UUID that a client gives, in either case; afterwards in lower case."""
IdText = Annotated[str, _UUID]
"""A UUID of ours."""
InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC with milliseconds, of ours."""
