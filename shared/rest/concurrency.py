"""Limits the concurrent requests of a service. Others wait in a bounded queue, for a bounded time."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response
from shared.rest.health import PATHS

MAX_WAITING: Final = 1_000


class ConcurrencyLimit:
    """Admits at most `most` concurrent requests.

    A request that waits longer than `wait_seconds`, or would wait behind 1,000 others, gets 503. Probes and scrapes don't
    wait.
    """

    def __init__(self, app: ASGIApp, most: int, wait_seconds: float) -> None:
        self._app = app
        self._room = asyncio.Semaphore(most)
        self._waiting = 0
        self._wait_seconds = wait_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or scope["path"] in PATHS:
            await self._app(scope, receive, send)
        elif not await self._enter():
            await error_response(ProtocolError(ErrorCode.UNAVAILABLE))(scope, receive, send)
        else:
            try:
                await self._app(scope, receive, send)
            finally:
                self._room.release()

    async def _enter(self) -> bool:
        if not self._room.locked():
            return await self._room.acquire()
        if self._waiting >= MAX_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._room.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True
