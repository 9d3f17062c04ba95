"""Limits queries: parsing costs a microsecond for each parameter, and happens before the user is known."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response

MAX_QUERY_BYTES: Final = 8 * 1024
"""Room for a token of 7,000 characters, or for a hundred ids with their names."""
MAX_QUERY_PARAMETERS: Final = 128


def query_fault(query: bytes) -> str | None:
    """Return what is wrong with the size of a request's query, or None."""
    if len(query) > MAX_QUERY_BYTES:
        return f"The query has {len(query)} bytes; the limit is {MAX_QUERY_BYTES}"
    if query.count(b"&") >= MAX_QUERY_PARAMETERS:
        return f"The query has more than {MAX_QUERY_PARAMETERS} parameters"
    return None


class QueryLimit:
    """Answers 422 to HTTP requests whose query is larger than `MAX_QUERY_BYTES`, or has too many parameters."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        fault = query_fault(scope["query_string"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, fault))(scope, receive, send)
