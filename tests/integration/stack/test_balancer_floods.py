"""More requests with one token than any service allows are refused by the load balancer itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.balancer import balanced
from tools.stack.haproxy import TOKEN_BURST, TOKEN_HANDSHAKES, TOKEN_REQUESTS, token_handshakes, token_requests

PASS = 5
BODY_SECONDS = 60
"""The balancer waits 10 s for a body; 1,000 bytes would take eight minutes."""


@pytest.fixture(params=[TOKEN_BURST, TOKEN_REQUESTS])
async def balancer(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A load balancer whose services are all away, so that it answers 503 to what it lets pass."""
    limits = dict.fromkeys((request.param, TOKEN_HANDSHAKES), str(PASS))
    async with (
        balanced(tmp_path, "127.0.0.1:1 disabled", limits) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield client


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


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


def test_a_little_more_passes_than_a_service_allows() -> None:
    assert (token_requests({}, 2), token_requests({}, 10)) == (150, 350)
    assert token_requests({"CHAT_REST_REQUESTS_PER_SECOND": "5", "CHAT_REST_BURST": "10"}, 2) == 22
    assert token_requests({"CHAT_REST_REQUESTS_PER_SECOND": "0"}, 10) > 10**9
    assert token_handshakes({}) == 75
    assert token_handshakes({"CHAT_HANDSHAKES_PER_MINUTE": "0"}) > 10**9
