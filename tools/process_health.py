"""Whether the processes of the local stack are ready."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Final

import httpx
import psutil

from tools.target import Process

SERVICES: Final = ("gateway", "messaging", "presence", "notifier", "media", "admin", "webhooks")
SECONDS: Final = 3.0
READY: Final = "ready"


@dataclass(frozen=True, slots=True)
class Health:
    """State of one process. `state`: ready, or what is wrong."""

    name: str
    pid: int
    port: int
    state: str


async def ask_all(known: list[Process]) -> list[Health]:
    """The state of each process, in the same order."""
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
        states = await asyncio.gather(*(_state(http, process) for process in known))
    return [Health(one.name, one.pid, one.port, state) for one, state in zip(known, states, strict=True)]


async def _state(http: httpx.AsyncClient, process: Process) -> str:
    if not psutil.pid_exists(process.pid):
        return "gone"
    if not process.name.startswith(SERVICES):
        return await asyncio.to_thread(_listens, process.port)
    try:
        answer = await http.get(f"http://127.0.0.1:{process.port}/readyz")
    except httpx.HTTPError as error:
        return f"no answer: {type(error).__name__}"
    if answer.status_code == 200:
        return READY
    failed = {name: verdict for name, verdict in answer.json().get("checks", {}).items() if verdict != "ok"}
    return ", ".join(f"{name} {verdict}" for name, verdict in failed.items()) or f"HTTP {answer.status_code}"


def _listens(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), SECONDS).close()
    except OSError as error:
        return f"port {port}: {error.strerror or error}"
    return READY
