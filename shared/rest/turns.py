"""Spreads the requests of one token over time, so that a burst of one user is no pause for the others."""

import asyncio
import math
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.pace import Pace
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response

AT_ONCE: Final = 20
"""So many begin without waiting: what a page asks for when it opens."""
MAX_WAIT_SECONDS: Final = 3.5
"""A request that would begin later than this is refused."""
RATE_FACTOR: Final = 1.5
"""Requests begin so many times as fast as a user may make them for long: 100 at once take less than three seconds."""
BYTES_A_SECOND: Final = 2 * 1024 * 1024
"""Of answers: a large one puts the next turns off."""
MAX_CHARGE_SECONDS: Final = 1.0
"""… by so much at most: what is larger was written as a stream, at the client's own speed."""


class TokenTurns:
    """Lets `per_second` requests of one `Authorization` header begin; the others wait, and too many get 429.

    By the bytes of the header, before anything is checked: what an invented token uses up is its own. Who asks for more than
    they may costs no more than a look here.
    """

    def __init__(self, app: ASGIApp, per_second: float) -> None:
        self._app = app
        # A token is a number here, whatever its length.
        self._pace = Pace(per_second, AT_ONCE, MAX_WAIT_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        token = dict(scope["headers"]).get(b"authorization") if scope["type"] == "http" else None
        wait = 0.0 if token is None else self._pace.wait(hash(token), time.monotonic())
        if self._pace.is_too_long(wait):
            error = ProtocolError(ErrorCode.RATE_LIMIT_EXCEEDED, "Too many requests", retry_after=math.ceil(wait))
            await error_response(error)(scope, receive, send)
            return
        if wait > 0:
            await asyncio.sleep(wait)
        await self._app(scope, receive, send if token is None else self._charged(hash(token), send))

    def _charged(self, token: int, send: Send) -> Send:
        """`send`, whose last message is when a token is charged for the bytes of its answer."""
        size = 0

        async def counted(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._pace.charge(token, min(size / BYTES_A_SECOND, MAX_CHARGE_SECONDS))
            await send(message)

        return counted
