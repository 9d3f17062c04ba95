"""What a process of a service has closed when it ends."""

import asyncio
import signal

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from shared.lifecycle import Server, Supervisor
from shared.rest import Health, create_app, health
from shared.service import http_server, serve
from shared.settings import ServiceSettings
from tests.support.gateway import until


class Replica:
    """Its backend doesn't answer, and a task fails while a balancer's question about it is open. `ended`: in this order."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self._asked = asyncio.Event()
        self._health = Health({"redis": self._ask})

    def start(self, supervisor: Supervisor) -> None:
        supervisor.start("fails", self._fail())

    def http(self) -> uvicorn.Config:
        app = create_app("replica", self._health)
        return uvicorn.Config(app, port=0, lifespan="off", log_config=None)

    async def drain(self) -> None:
        """Nothing is under way."""

    async def aclose(self) -> None:
        self.ended.append("connections")

    async def _ask(self) -> None:
        self._asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("question")

    async def _fail(self) -> None:
        await self._health.report(verbose=False)
        await self._asked.wait()
        raise LookupError("no")


async def test_a_request_that_does_not_end_does_not_keep_a_service_from_ending() -> None:
    asked = asyncio.Event()

    async def never(_request: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = create_app("replica", Health({}))
    app.add_route("/never", never)
    settings = ServiceSettings(
        database_url="postgresql://x",
        amqp_url="amqp://x",
        redis_urls="redis://x",
        jwt_secret="x" * 32,
        http_port=0,
        shutdown_seconds=0.1,
    )
    server = Server(http_server(app, settings))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n")
    await asked.wait()
    server.stop()
    async with asyncio.timeout(30):
        await serving
    writer.close()


async def test_no_backend_is_asked_when_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STARTUP_SECONDS", 0)
    monkeypatch.setattr(health, "CHECK_SECONDS", 3600)
    replica = Replica()
    try:
        assert await serve(replica) == 1
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(signum)
    assert replica.ended == ["question", "connections"]
