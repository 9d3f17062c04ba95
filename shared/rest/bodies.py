"""The root of all request bodies."""

from typing import Final

from pydantic import BaseModel, BeforeValidator, ConfigDict


class RequestBody(BaseModel):
    """A JSON body. A field takes its own JSON type only: neither `"5"` nor `true` is a number.

    Queries are always text; their models are no request bodies.
    """

    model_config = ConfigDict(strict=True)


def _whole(value: object) -> object:
    """Return 5 for 5.0: JSON has one type of number, and JSON Schema calls both an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""For an integer: behind its limits in `Annotated`, or these wouldn't be in the OpenAPI document."""
