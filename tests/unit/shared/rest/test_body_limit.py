"""Bodies that come slowly, or too many at once, take nobody's turn."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.protocol import limits
from shared.rest import body_limit, http_protocol
from shared.rest.body_limit import BodyLimit
from shared.rest.concurrency import ConcurrencyLimit
from tests.support.rest_server import rest_server

TOO_LARGE = limits.MAX_REQUEST_BODY_BYTES + 1
ANSWERED = b'"retryable":false}}'
"""The end of a refusal."""


class Raw:
    """A client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def read_until(self, end: bytes) -> bytes:
        """What comes, up to and with `end`."""
        async with asyncio.timeout(20):
            return await self.reader.readuntil(end)

    async def read_to_end(self) -> bytes:
        """What comes until the other side hangs up."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Raw]:
    """A connection to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def answer_with_body(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI entry."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"got {len(body)}")(scope, receive, send)


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port of a server that works on one request at a time."""
    async with rest_server(BodyLimit(ConcurrencyLimit(answer_with_body, most=1, wait_seconds=0.2))) as port:
        yield port


def head(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


async def test_a_slow_body_takes_no_turn() -> None:
    async with served() as port, raw(port) as slow, raw(port) as quick:
        slow.write(head(10) + b"1")
        quick.write(head(3) + b"abc")
        assert b"got 3" in await quick.read_until(b"got 3")
        slow.write(b"234567890")
        assert b"got 10" in await slow.read_until(b"got 10")


async def test_a_body_that_does_not_come_is_answered_with_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(http_protocol, "DROP_SECONDS", 0.2)
    async with served() as port, raw(port) as slow:
        slow.write(head(10) + b"1")
        answer = await slow.read_to_end()
    status, _, body = answer.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["error"]["code"] == "validation_error"


async def test_a_connection_is_cut_where_nobody_reads_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.2)
    async with served() as port, raw(port) as slow:
        slow.write(head(10) + b"1")
        assert await slow.read_to_end() == b""


async def test_a_head_that_does_not_come_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.2)
    async with served() as port, raw(port) as slow:
        slow.write(b"POST / HTTP/1.1\r\n")
        assert await slow.read_to_end() == b""


async def test_only_so_many_bytes_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "MAX_HELD_BYTES", 15)
    async with served() as port, raw(port) as first:
        first.write(head(10) + b"1")
        async with raw(port) as second:
            second.write(head(10) + b"1234567890")
            assert b"HTTP/1.1 503" in await second.read_until(b"}}")
        first.write(b"234567890")
        assert b"got 10" in await first.read_until(b"got 10")
        async with raw(port) as third:
            third.write(head(10) + b"1234567890")
            assert b"got 10" in await third.read_until(b"got 10")


@pytest.mark.parametrize("framing", ["announced", "streamed"])
async def test_a_body_over_the_limit_is_refused(framing: str) -> None:
    """Whether its length was announced or not, and before all of it is here."""
    size = limits.MAX_REQUEST_BODY_BYTES + 1
    async with served() as port, raw(port) as client:
        length = f"Content-Length: {size}" if framing == "announced" else "Transfer-Encoding: chunked"
        client.write(f"POST / HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
        if framing == "streamed":
            client.write(f"{size:x}\r\n".encode() + b"x" * size)
        answered = await client.read_until(ANSWERED)
    assert b" 413 " in answered.partition(b"\r\n")[0]
    assert str(limits.MAX_REQUEST_BODY_BYTES).encode() in answered


async def test_the_connection_serves_the_next_request_after_a_refused_body() -> None:
    async with served() as port, raw(port) as client:
        client.write(head(TOO_LARGE))
        assert b" 413 " in await client.read_until(ANSWERED)
        client.write(b"x" * TOO_LARGE + head(3) + b"abc")
        assert b"got 3" in await client.read_until(b"got 3")


async def test_a_client_that_asked_for_it_is_disconnected_after_its_body() -> None:
    async with served() as port, raw(port) as client:
        client.write(head(TOO_LARGE).replace(b"Host", b"Connection: close\r\nHost"))
        assert b" 413 " in await client.read_until(ANSWERED)
        client.write(b"x" * TOO_LARGE)
        assert await client.read_to_end() == b""


async def test_so_much_of_a_refused_body_is_received_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_DROPPED_BYTES", 10)
    async with served() as port, raw(port) as client:
        client.write(head(TOO_LARGE))
        await client.read_until(ANSWERED)
        client.write(b"x" * 11)
        assert await client.read_to_end() == b""


async def test_the_rest_of_a_refused_body_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "DROP_SECONDS", 0.1)
    async with served() as port, raw(port) as client:
        client.write(head(TOO_LARGE))
        await client.read_until(ANSWERED)
        assert await client.read_to_end() == b""
