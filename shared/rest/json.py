"""Answers whose JSON msgspec writes: structs of the protocol go out as they are, without a second model of them."""

from collections.abc import Sequence

import msgspec
from fastapi import Response

from shared.protocol.codec import json_encoder


def json_response(value: msgspec.Struct, status: int = 200) -> Response:
    """A response with a struct as JSON."""
    return Response(json_encoder.encode(value), status, media_type="application/json")


def page_of(parts: Sequence[bytes], next_page: str | None) -> bytes:
    """A part of a list as JSON, of JSON lists that follow one another."""
    items = b",".join(part[1:-1] for part in parts)
    return b'{"items":[%b],"nextPage":%b}' % (items, json_encoder.encode(next_page))


def page_response(items: Sequence[msgspec.Struct], next_page: str | None) -> Response:
    """A response with a part of a list."""
    body = json_encoder.encode({"items": items, "nextPage": next_page})
    return Response(body, media_type="application/json")
