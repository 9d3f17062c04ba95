"""A gateway in a process of its own, which signals can end."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.support.forks import PipedFork
from tests.support.gateway import eventually
from tests.support.plain_http import plain_http
from tools.devtoken import LOCAL_SECRET
from tools.stack.ports import free_port


@asynccontextmanager
async def gateway_process(
    database: str, amqp: str, redis: str, **settings: str
) -> AsyncIterator[tuple[PipedFork, str]]:
    """`python -m services.gateway`, ready; killed when the test leaves it running."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CHAT_")},
        "CHAT_DATABASE_URL": database,
        "CHAT_AMQP_URL": amqp,
        "CHAT_REDIS_URLS": redis,
        "CHAT_JWT_SECRET": LOCAL_SECRET,
        "CHAT_HTTP_PORT": str(port),
        "CHAT_DRAIN_SECONDS": "1",
        **settings,
    }
    process = await PipedFork.started("services.gateway", environment)
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        try:
            async with plain_http(url) as client:
                return (await client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await eventually(ready, 90)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
