"""The audit log: who asked for what, about whom, when, and with which result. Rows are only added.

A call has two rows: one before anything is done, and one with its result before the answer is sent. A call without the second row
was interrupted by a crash, so its caller got no answer.
"""

import time
from collections.abc import Iterable
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.admin import metrics
from shared.postgres import TRANSIENT_ERRORS, Pool, load_sql

log = structlog.get_logger(__name__)

_WRITE: Final = load_sql("services.admin", "audit")
PATHS: Final = "/chat/admin/"
MOST_USERS: Final = 100
"""Most user ids in a row. A call about more users records their number."""
MOST_PATH_CHARACTERS: Final = 1000


class Call:
    """A call under way. `concern` adds the users that it is about, when the path doesn't name them."""

    def __init__(self, pool: Pool, method: str, path: str) -> None:
        self._pool = pool
        self._id = str(uuid4())
        self._action = f"{method} {path}".replace("\0", "")[:MOST_PATH_CHARACTERS]
        self._subject: str | None = None
        self._users: list[str] = []
        self._count = 0

    async def begin(self, subject: str) -> None:
        """Record the caller. Raises what asyncpg raises; a call that can't be recorded isn't carried out."""
        self._subject = subject
        await self._write(None)

    def concern(self, user_ids: Iterable[str]) -> None:
        """Record that the call is about these users."""
        distinct = list(dict.fromkeys(user_ids))
        self._users, self._count = distinct[:MOST_USERS], len(distinct)

    async def end(self, status: int) -> None:
        """Record the result of a call that began."""
        if self._subject is None:
            return
        try:
            await self._write(status)
        except TRANSIENT_ERRORS as error:
            # The call was carried out, and its first row records it.
            log.error("audit.not_written", action=self._action, status=status, error=repr(error))

    async def _write(self, status: int | None) -> None:
        await self._pool.execute(_WRITE, self._id, self._subject, self._action, self._users, self._count, status)


class AuditTrail:
    """ASGI middleware: gives each call of the server API its `Call`, at `scope["call"]`, and ends it."""

    def __init__(self, app: ASGIApp, pool: Pool) -> None:
        self._app = app
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        query = scope["query_string"].decode("ascii", "replace")
        call = Call(self._pool, scope["method"], scope["path"] + (f"?{query}" if query else ""))
        inner: Scope = {**scope, "call": call}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                await call.end(message["status"])
                route = getattr(inner.get("route"), "path", "none")
                metrics.CALLS.labels(route, message["status"]).inc()
                metrics.CALL_SECONDS.observe(time.monotonic() - started)
            await send(message)

        await self._app(inner, receive, noted)
