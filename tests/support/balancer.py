"""The load balancer of `deploy/haproxy` with servers that a test chooses."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.plain_http import plain_http
from tests.support.waiting import eventually
from tools.stack.haproxy import POLICY, SECTIONS
from tools.stack.ladder import program
from tools.stack.ports import free_port

SERVICES = ("gateway", "messaging", "presence", "notifier", "media", "devserver")
STOP_SECONDS = 20


@asynccontextmanager
async def balanced(folder: Path, server: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[int]:
    """The port of a balancer. `server`: the address and options of the one server of every service."""
    port = free_port()
    servers = folder / "servers.cfg"
    servers.write_text(
        "\n".join(f"backend {name} from {SECTIONS.get(name, 'http')}\n    server one {server}" for name in SERVICES)
        + "\n",
        encoding="utf-8",
    )
    process = await asyncio.create_subprocess_exec(
        program("haproxy"),
        "-db",
        "-f",
        str(POLICY),
        "-f",
        str(servers),
        env={**os.environ, **(environment or {}), "HAPROXY_BIND": f"127.0.0.1:{port}"},
    )
    try:
        async with plain_http(f"http://127.0.0.1:{port}") as client:
            await eventually(lambda: _answers(client), 30)
        yield port
    finally:
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 404
    except httpx.ConnectError:
        return False
