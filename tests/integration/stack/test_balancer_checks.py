"""The load balancer checks servers seldom, so a request that finds one gone or draining makes it check at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.balancer import SERVICES, balanced
from tests.support.plain_http import plain_http
from tests.support.waiting import eventually
from tools.stack.ports import free_port

SELDOM = "inter 10m"
"""Longer than a test takes: only a request can lead to a check."""
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNREADY = READY.replace(b"200 OK", b"503 Service Unavailable")


class Replica:
    """A server of every service, which answers each request in the same way."""

    def __init__(self) -> None:
        self.answer = READY
        self.checks = 0
        self.server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Begin to listen, and return the port."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """Refuse connections from now on."""
        assert self.server is not None
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.checks += head.startswith(b"GET /readyz ")
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def one_replica(folder: Path) -> AsyncIterator[tuple[Replica, httpx.AsyncClient, httpx.AsyncClient]]:
    """Yield it with a client of its balancer, and a client of the balancer's status; every server was checked once."""
    replica, status = Replica(), f"127.0.0.1:{free_port()}"
    port = await replica.listen()
    async with (
        balanced(folder, f"127.0.0.1:{port} {SELDOM}", {"HAPROXY_STATUS": status}) as public,
        plain_http(f"http://127.0.0.1:{public}", timeout=30) as client,
        plain_http(f"http://{status}", timeout=30) as watcher,
    ):

        async def each_was_checked() -> bool:
            return replica.checks >= len(SERVICES)

        # HAProxy spreads its first checks over a quarter of a second.
        await eventually(each_was_checked, 30)
        yield replica, client, watcher
    replica.stop()


async def healthy(watcher: httpx.AsyncClient, service: str) -> int:
    number: int = (await watcher.get("/")).json()[service]
    return number


async def test_a_gateway_that_refuses_a_client_while_it_drains_gets_no_more(tmp_path: Path) -> None:
    async with one_replica(tmp_path) as (replica, client, watcher):
        assert (await client.get("/chat/ws")).status_code == 200
        replica.answer = UNREADY
        assert (await client.get("/chat/ws")).status_code == 503

        async def is_out() -> bool:
            return await healthy(watcher, "gateway") == 0

        await eventually(is_out, 60)
        # Nothing of the others' was asked, so nothing is known of them.
        assert await healthy(watcher, "messaging") == 1


async def test_a_service_that_a_request_finds_gone_gets_no_more(tmp_path: Path) -> None:
    async with one_replica(tmp_path) as (replica, client, watcher):
        assert (await client.get("/chat/unread")).status_code == 200
        replica.stop()
        assert (await client.get("/chat/unread")).status_code == 503

        async def is_out() -> bool:
            return await healthy(watcher, "messaging") == 0

        await eventually(is_out, 60)
        assert await healthy(watcher, "presence") == 1


async def test_a_service_that_answers_503_is_not_checked_for_that(tmp_path: Path) -> None:
    """It answers so while a backend is away, which all replicas share: removing it would help nobody."""
    async with one_replica(tmp_path) as (replica, client, watcher):
        replica.answer = UNREADY
        for _ in range(5):
            assert (await client.get("/chat/unread")).status_code == 503
        replica.stop()
        assert (await client.get("/chat/friends")).status_code == 503

        async def presence_is_out() -> bool:
            return await healthy(watcher, "presence") == 0

        await eventually(presence_is_out, 60)
        assert await healthy(watcher, "messaging") == 1
