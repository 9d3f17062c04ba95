"""Lists: `{items, nextPage}` with `?limit=` and `?page=`, where a page is an opaque token."""

import base64
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError

T = TypeVar("T")

MAX_PAGE_TOKEN_CHARACTERS = 512


class Page(BaseModel, Generic[T]):
    """A page of a list. `nextPage` is null on the last one; else pass it as `?page=`."""

    items: list[T]
    nextPage: str | None = None  # noqa: N815 - the contract's name


class PageQuery(BaseModel):
    """The size of a page, and where it begins."""

    limit: int = Field(limits.DEFAULT_PAGE, ge=1, le=limits.MAX_PAGE)
    page: str | None = Field(None, max_length=MAX_PAGE_TOKEN_CHARACTERS)


PageParameters = Annotated[PageQuery, Query()]


def encode_page(position: str) -> str:
    """Return the page token of a position."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_page(page: str) -> str:
    """Return the position of a token from `encode_page`. Raises ProtocolError (validation_error) for any other text."""
    try:
        return base64.urlsafe_b64decode(page + "=" * (-len(page) % 4)).decode()
    except ValueError:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage that this service returned") from None
