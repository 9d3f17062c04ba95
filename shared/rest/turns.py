"""Spreads the requests of one token over time, so that a burst of one user doesn't delay the others."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.pace import Pace
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response

AT_ONCE: Final = 20
"""Requests that don't wait for the rate: enough for a page that opens."""
TOKEN_STARTS_AT_ONCE: Final = 4
"""Of these, how many may start at the same moment."""
TOKEN_STARTS_A_SECOND: Final = 75
"""The others start at this rate: twenty requests that cost the machine 3 ms each would stop everything else for 60 ms."""
MAX_WAIT_SECONDS: Final = 3.5
"""A request that would start later than this is refused."""
RATE_FACTOR: Final = 1.5
"""Requests start at this multiple of the user's sustained rate: 100 concurrent ones take less than three seconds."""
BYTES_A_SECOND: Final = 2 * 1024 * 1024
"""Bytes of responses: a large one delays the next turns."""
MAX_CHARGE_SECONDS: Final = 1.0
"""The longest such delay. Larger responses are streams, which are written at the client's own speed."""
READS_AT_ONCE: Final = 2
"""Concurrent reads of one token: as many responses of unknown size are made before the size of the first one counts."""
MOST_UNDER_WAY: Final = 200
"""Requests of one token that are under way or wait for a place. More than start at once by the rate are there while answers are
slow: then further ones are refused.
"""
WRITES_AT_ONCE: Final = 1
"""Concurrent other requests of one token, where a service works on few requests at once: one that is slow must leave places."""


class _UnderWay:
    """The requests of one token that are under way or wait for a place.

    `charged_until` (monotonic seconds): until when the bytes of earlier responses delay the next read.
    """

    __slots__ = ("charged_until", "count", "reads", "writes")

    def __init__(self) -> None:
        self.count = 0
        self.reads = asyncio.Semaphore(READS_AT_ONCE)
        self.writes = asyncio.Semaphore(WRITES_AT_ONCE)
        self.charged_until = 0.0

    def charge(self, seconds: float, now: float) -> None:
        """Delay the reads that wait for a place."""
        self.charged_until = max(self.charged_until, now) + seconds


class TokenTurns:
    """Lets `per_second` requests of one `Authorization` header start. The others wait, and too many get 429.

    It compares the bytes of the header before anything is checked, so an invented token uses up only its own turns. Refused
    requests cost only a look-up here. At most `READS_AT_ONCE` GET requests of a header are under way, and with `few_writes` at
    most `WRITES_AT_ONCE` others.
    """

    def __init__(
        self,
        app: ASGIApp,
        per_second: float,
        starts_a_second: float = TOKEN_STARTS_A_SECOND,
        *,
        few_writes: bool = False,
    ) -> None:
        self._app = app
        # Tokens are stored as their hash, a number, whatever their length.
        self._pace = Pace(per_second, AT_ONCE, MAX_WAIT_SECONDS)
        self._starts = Pace(starts_a_second, TOKEN_STARTS_AT_ONCE, MAX_WAIT_SECONDS)
        self._few_writes = few_writes
        self._under_way: dict[int, _UnderWay] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        token = dict(scope["headers"]).get(b"authorization") if scope["type"] == "http" else None
        now = time.monotonic()
        wait = 0.0 if token is None else self._pace.wait(hash(token), now)
        if self._pace.is_too_long(wait):
            await _refuse(wait, scope, receive, send)
            return
        if token is not None:
            wait = max(wait, self._starts.wait(hash(token), now))
        if wait > 0:
            await asyncio.sleep(wait)
        if token is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "GET":
            await self._read(hash(token), scope, receive, send)
        elif self._few_writes:
            await self._write(hash(token), scope, receive, send)
        else:
            await self._app(scope, receive, self._charged(hash(token), None, send))

    async def _read(self, token: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a GET request continue when it has a place, and when earlier responses no longer delay it."""
        with self._counted(token) as under_way:
            if under_way.count > MOST_UNDER_WAY:
                await _refuse(1, scope, receive, send)
                return
            async with under_way.reads:
                put_off = under_way.charged_until - time.monotonic()
                if put_off > 0:
                    await asyncio.sleep(put_off)
                await self._app(scope, receive, self._charged(token, under_way, send))

    async def _write(self, token: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Let another request continue when it has a place. It is refused when that takes too long."""
        with self._counted(token) as under_way:
            try:
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    await under_way.writes.acquire()
            except TimeoutError:
                await _refuse(1, scope, receive, send)
                return
            try:
                await self._app(scope, receive, self._charged(token, None, send))
            finally:
                under_way.writes.release()

    @contextmanager
    def _counted(self, token: int) -> Iterator[_UnderWay]:
        under_way = self._under_way.setdefault(token, _UnderWay())
        under_way.count += 1
        try:
            yield under_way
        finally:
            under_way.count -= 1
            if not under_way.count:
                del self._under_way[token]

    def _charged(self, token: int, reads: _UnderWay | None, send: Send) -> Send:
        """Wrap `send`: after the last message, charge the token for the bytes of the response."""
        size = 0

        async def counted(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                seconds = min(size / BYTES_A_SECOND, MAX_CHARGE_SECONDS)
                self._pace.charge(token, seconds)
                if reads is not None:
                    reads.charge(seconds, time.monotonic())
            await send(message)

        return counted


async def _refuse(retry_after_seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
    error = ProtocolError(
        ErrorCode.RATE_LIMIT_EXCEEDED, "Too many requests", retry_after=math.ceil(retry_after_seconds)
    )
    await error_response(error)(scope, receive, send)
