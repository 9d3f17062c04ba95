"""An ASGI app behind the HTTP protocol of the services, as `uvicorn` serves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from shared.rest import HttpProtocol


@asynccontextmanager
async def rest_server(app: ASGIApp, protocol: type[HttpProtocol] = HttpProtocol) -> AsyncIterator[int]:
    """The port of a server of `app`."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http=protocol, log_config=None, access_log=False, lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving
