"""`X-Request-Id`: an id for each request, taken from the caller or made here.

It is in the response, and in every log line of the request.

With tracing on, a request is also a span, which continues the caller's `traceparent` (https://www.w3.org/TR/trace-context/).
"""

import os
import re
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import debugging
from shared.tracing import HEADER as TRACE_HEADER
from shared.tracing import name_ids, parent_of, span

log = structlog.get_logger(__name__)

HEADER: Final = "X-Request-Id"
_NAME: Final = HEADER.lower().encode()
_TRACE_NAME: Final = TRACE_HEADER.encode()
_VALID: Final = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
"""Ids that are accepted from callers. Other texts could inject content into logs and headers."""
ID_BYTES: Final = 16


class RequestIds:
    """Gives each HTTP request an id, which is `request_id` in logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"])
        name = given.get(_NAME, b"")
        if _VALID.fullmatch(name) is None:
            name = os.urandom(ID_BYTES).hex().encode()
        request_id, status, started = name.decode(), 0, time.monotonic()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (_NAME, name)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            parent = parent_of([{TRACE_HEADER: given[_TRACE_NAME].decode("latin-1")}]) if _TRACE_NAME in given else None
            with span(f"{scope['method']} request", "server", parent) as traced:
                await self._app(scope, receive, named)
                name_ids(traced, request_ids=(request_id,), paths=(scope["path"],), statuses=(str(status),))
            if debugging():
                log.debug(
                    "request.answered",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    seconds=round(time.monotonic() - started, 4),
                )
