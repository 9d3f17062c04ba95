"""An answer that comes before the whole body arrives, directly and through the load balancer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import StreamHttpProtocol
from shared.rest.body_limit import BodyLimit
from shared.rest.errors import error_response
from shared.rest.turns import AT_ONCE, TokenTurns
from tests.support.balancer import balanced
from tests.support.plain_http import plain_http
from tests.support.rest_server import rest_server

PART = b"x" * 50_000
PARTS = 160
"""8 MB, more than the buffers of the kernel and of HAProxy hold: the client still writes when the answer comes."""
TRIES = 4
SECONDS = 60
JSON, UPLOAD, FLOOD = "/chat/conversations", "/chat/media/one", "/chat/unread"
STATUSES = {JSON: 413, UPLOAD: 404, FLOOD: 429}


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI entry that reads no body."""
    await error_response(ProtocolError(ErrorCode.NOT_FOUND))(scope, receive, send)


LIMITED = BodyLimit(not_found, {UPLOAD: None})


class Limits:
    """Bodies as in every service, and a path with one turn in an hour."""

    def __init__(self) -> None:
        self.few = TokenTurns(LIMITED, per_second=1 / 3600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        await (self.few if scope["path"] == FLOOD else LIMITED)(scope, receive, send)


@pytest.fixture(params=["directly", "balanced"])
async def url(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of a service."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(rest_server(Limits(), StreamHttpProtocol))
        if request.param == "balanced":
            port = await stack.enter_async_context(balanced(tmp_path, f"127.0.0.1:{port} no-check"))
        yield f"http://127.0.0.1:{port}"


class Streamed(httpx.AsyncByteStream):
    """A body whose length is not announced."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(PARTS):
            yield PART


def bodies() -> Iterator[bytes | Streamed]:
    """Bodies to try."""
    for _ in range(TRIES):
        yield PART * PARTS
        yield Streamed()


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("path", STATUSES)
async def test_every_refused_body_gets_its_answer(url: str, path: str, connection: str) -> None:
    """Each try on a new connection, so that what one leaves unread can't help another."""
    headers = {"Authorization": "Bearer x", "Connection": connection}
    async with plain_http(url, timeout=SECONDS) as before:
        for _ in range(AT_ONCE if path == FLOOD else 0):
            assert (await before.get(FLOOD, headers=headers)).status_code == 404
    for body in bodies():
        async with plain_http(url, timeout=SECONDS) as client:
            refused = await client.post(path, content=body, headers=headers)
        assert refused.status_code == STATUSES[path]
        assert refused.json()["type"] == "error"
