"""What a process of a service has closed when it ends."""

import asyncio
import signal

import pytest
import uvicorn

from shared.lifecycle import Supervisor
from shared.rest import Health, create_app, health
from shared.service import serve


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
