"""Responses with structs of the protocol, which msgspec encodes. They need no second model."""

from collections.abc import Iterable, Sequence

import msgspec
from fastapi import Response

from shared.protocol.codec import json_encoder


def json_response(value: msgspec.Struct, status: int = 200) -> Response:
    """Return a response with a struct as JSON."""
    return Response(json_encoder.encode(value), status, media_type="application/json")


def page_of(items: Iterable[bytes], next_page: str | None) -> bytes:
    """Return a part of a list as JSON, given the JSON of its items."""
    return b'{"items":[%b],"nextPage":%b}' % (b",".join(items), json_encoder.encode(next_page))


def page_response(items: Sequence[msgspec.Struct], next_page: str | None) -> Response:
    """Return a response with a page of a list."""
    body = json_encoder.encode({"items": items, "nextPage": next_page})
    return Response(body, media_type="application/json")
