"""Limits request bodies: their size, the time to receive them, and the bytes of all bodies in memory."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response

BODY_SECONDS: Final = 15.0
"""A body must arrive within this time. The connection itself is closed a little later (`http_protocol.REQUEST_SECONDS`)."""
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Bytes of all bodies that one replica holds or waits for. Further requests get 503."""


class BodyLimit:
    """Refuses request bodies over 64 KiB with 413, whether announced or streamed, and those that come too slowly with 408.

    A body is read completely before the app begins, so that a slow client doesn't take one of the app's places or connections.

    `larger`: path → its limit in bytes, or None when its handler reads the body as a stream and limits it itself. A path that
    ends with `/` includes all paths below it.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int | None] | None = None) -> None:
        self._app = app
        self._larger = dict(larger or {})
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._limit_of(scope["path"])
        announced = headers.get("content-length")
        if most is None or (announced is None and "transfer-encoding" not in headers):
            await self._app(scope, receive, send)
            return
        if announced is not None and (not announced.isdigit() or int(announced) > most):
            await _refuse(413, f"The body is larger than {most} bytes", scope, receive, send)
            return
        size = most if announced is None else int(announced)
        if self._held_bytes + size > MAX_HELD_BYTES:
            await error_response(ProtocolError(ErrorCode.UNAVAILABLE))(scope, receive, send)
            return
        self._held_bytes += size
        try:
            await self._with_body(most, scope, receive, send)
        finally:
            self._held_bytes -= size

    async def _with_body(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, and then call the app with it."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                first = await _read(most, receive)
        except TimeoutError:
            await _refuse(408, f"The body did not arrive within {BODY_SECONDS:.0f} s", scope, receive, send)
            return
        except OverflowError:
            await _refuse(413, f"The body is larger than {most} bytes", scope, receive, send)
            return
        if first is None:
            return
        waiting: list[Message] = [first]

        async def ready() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, ready, send)

    def _limit_of(self, path: str) -> int | None:
        for larger, most in self._larger.items():
            if path == larger or (larger.endswith("/") and path.startswith(larger)):
                return most
        return limits.MAX_REQUEST_BODY_BYTES


async def _read(most: int, receive: Receive) -> Message | None:
    """Return the whole body as one message; None when the client has disconnected. Raises OverflowError."""
    parts: list[bytes] = []
    seen = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        seen += len(parts[-1])
        if seen > most:
            raise OverflowError
        if not message.get("more_body", False):
            return {"type": "http.request", "body": b"".join(parts), "more_body": False}


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer. The connection drops the rest of the body (`http_protocol`)."""
    response = error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, reason))
    response.status_code = status
    await response(scope, receive, send)
