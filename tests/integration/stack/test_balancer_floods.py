"""More requests with one token than any service allows are refused by the load balancer itself."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from services.gateway.transport.http_protocol import UNREAD_BYTES
from tests.support.balancer import balanced
from tests.support.plain_http import plain_http
from tools.stack.haproxy import TOKEN_BURST, TOKEN_HANDSHAKES, TOKEN_REQUESTS, token_handshakes, token_requests

PASS = 5
BODY_SECONDS = 60
"""The balancer waits 10 s for a body; 1,000 bytes would take eight minutes."""
_HEADERS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = b"GET /chat/ws HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n" % _HEADERS
UPGRADED = b"HTTP/1.1 101 Upgraded\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%s\r\n" % _HEADERS
"""The example of RFC 6455, section 1.3."""
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
READ_BYTES = 64 * 1024 * 1024
"""Read as fast as they come, after which a kernel without other orders expects as many again."""
OWN_BYTES = 64 * 1024
MOST_HELD_BYTES = 3 * 1024 * 1024
"""Without bounds it is more than ten megabytes."""
STUCK_SECONDS = 1.0


@pytest.fixture(params=[TOKEN_BURST, TOKEN_REQUESTS])
async def balancer(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A load balancer whose services are all away, so that it answers 503 to what it lets pass."""
    limits = dict.fromkeys((request.param, TOKEN_HANDSHAKES), str(PASS))
    async with (
        balanced(tmp_path, "127.0.0.1:1 disabled", limits) as port,
        plain_http(f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield client


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_path_of_no_service_reaches_none(balancer: httpx.AsyncClient) -> None:
    for _ in range(2 * PASS):
        unknown = await balancer.get("/chat/nothing", headers={**bearing("one"), "Origin": "https://app.example.com"})
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "not_found"
        assert unknown.headers["Access-Control-Allow-Origin"] == "*"
    assert (await balancer.get("/chat/unread", headers=bearing("one"))).status_code == 503


async def test_a_token_that_floods_a_service_is_refused_there_alone(balancer: httpx.AsyncClient) -> None:
    for _ in range(PASS):
        assert (await balancer.get("/chat/unread", headers=bearing("one"))).status_code == 503
    refused = await balancer.get("/chat/conversations", headers={**bearing("one"), "Origin": "https://app.example.com"})
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"user";r=0;t=1'
    # Without these a page sees a network error, and can't know that it must wait.
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert refused.json()["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Too many requests",
        "retryable": True,
        "retryAfter": 1,
    }
    assert (await balancer.get("/chat/friends", headers=bearing("one"))).status_code == 503
    assert (await balancer.get("/chat/unread", headers=bearing("other"))).status_code == 503
    assert (await balancer.get("/chat/unread")).status_code == 503


@pytest.mark.parametrize("balancer", [TOKEN_BURST], indirect=True)
async def test_a_body_that_comes_byte_by_byte_is_cut_off(balancer: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.base_url.port)
    writer.write(b"POST /chat/conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    answer = asyncio.create_task(reader.readline())
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait([answer], timeout=0.5)
        assert await answer == b"HTTP/1.1 408 Request Time-out\r\n"
    finally:
        answer.cancel()
        writer.transport.abort()


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?token=one", {}), ("", {"Sec-WebSocket-Protocol": "chat.v1, bearer.one"}), ("", bearing("one"))],
)
async def test_handshakes_are_counted_wherever_their_token_stands(
    balancer: httpx.AsyncClient, query: str, headers: dict[str, str]
) -> None:
    statuses = [(await balancer.get(f"/chat/ws{query}", headers=headers)).status_code for _ in range(PASS + 1)]
    assert statuses == [503] * PASS + [429]


async def test_the_balancer_holds_little_of_a_client_that_its_server_does_not_read(tmp_path: Path) -> None:
    """A gateway doesn't read for a while from a client that sends too much: what it sends meanwhile must be few bytes."""
    read, over = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"GET /chat/ws"):
            writer.write(HEALTHY)
            writer.close()
            return
        writer.write(UPGRADED)
        await reader.readexactly(READ_BYTES)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        read.set()
        await over.wait()
        writer.transport.abort()

    listening = socket.create_server(("127.0.0.1", 0))
    # As the gateway's own: what it holds itself is not the question here.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
    server = await asyncio.start_server(serve, sock=listening)
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    async with server, balanced(tmp_path, address) as port:
        held = await _bytes_taken(port, read) - READ_BYTES
        over.set()
    assert held < MOST_HELD_BYTES


async def _bytes_taken(port: int, read: asyncio.Event) -> int:
    """Send until nothing is taken any more after `read`. Returns how many bytes were taken, in whole parts."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, OWN_BYTES)
    client.setblocking(False)
    loop, taken, part = asyncio.get_running_loop(), 0, bytes(OWN_BYTES)
    with client:
        await loop.sock_sendall(client, UPGRADE)
        assert b"101" in await loop.sock_recv(client, 4096)
        with suppress(TimeoutError):
            while True:
                seconds = STUCK_SECONDS if read.is_set() else BODY_SECONDS
                await asyncio.wait_for(loop.sock_sendall(client, part), seconds)
                taken += len(part)
    return taken


def test_a_little_more_passes_than_a_service_allows() -> None:
    assert (token_requests({}, 2), token_requests({}, 10)) == (150, 350)
    assert token_requests({"CHAT_REST_REQUESTS_PER_SECOND": "5", "CHAT_REST_BURST": "10"}, 2) == 22
    assert token_requests({"CHAT_REST_REQUESTS_PER_SECOND": "0"}, 10) > 10**9
    assert token_handshakes({}) == 75
    assert token_handshakes({"CHAT_HANDSHAKES_PER_MINUTE": "0"}) > 10**9
