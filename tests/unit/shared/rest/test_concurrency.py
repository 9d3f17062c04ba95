"""How many requests are worked on at once, and how long the others wait."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.rest.concurrency import ConcurrencyLimit


class Slow:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.begun: asyncio.Queue[None] = asyncio.Queue()
        self.working = 0
        self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        self.working += 1
        self.most = max(self.most, self.working)
        self.begun.put_nowait(None)
        try:
            if scope["path"] != "/healthz":
                await self.released.wait()
            await PlainTextResponse("done")(scope, receive, send)
        finally:
            self.working -= 1


def client_of(app: ConcurrencyLimit) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_requests_wait_for_their_turn() -> None:
    slow = Slow()
    async with client_of(ConcurrencyLimit(slow, most=2, wait_seconds=30)) as client:
        calls = [asyncio.create_task(client.get("/chat")) for _ in range(6)]
        for _ in range(2):
            await slow.begun.get()
        assert (await client.get("/healthz")).status_code == 200
        slow.released.set()
        assert [response.status_code for response in await asyncio.gather(*calls)] == [200] * 6
    # The probe is the third.
    assert slow.most == 3


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    slow = Slow()
    async with client_of(ConcurrencyLimit(slow, most=1, wait_seconds=0.01)) as client:
        first = asyncio.create_task(client.get("/chat"))
        await slow.begun.get()
        refused = await client.get("/chat")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"]
        slow.released.set()
        assert (await first).status_code == 200
        assert (await client.get("/chat")).status_code == 200
