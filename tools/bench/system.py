"""Runs the system under test, a local stack of the benchmark's own, and the hand-written app on the same PostgreSQL."""

import asyncio
import dataclasses
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from rich.console import Console as Terminal

from tools.bench.target import Target, read_target
from tools.devtoken import secret_in_use
from tools.stack.console import Console
from tools.stack.home import ROOT, Home
from tools.stack.stack import Stack

HOME: Final = ROOT / ".local" / "bench"
PORT: Final = "18090"
SETTINGS: Final = {
    "CHAT_PORT": PORT,
    # In containers, the servers wouldn't be descendants of this process, and their CPU couldn't be measured.
    "STACK_BACKENDS": "native",
    # High, not off: the checks are part of a message's cost.
    "CHAT_MESSAGES_PER_MINUTE": "60000",
    "CHAT_EVENTS_PER_SECOND": "100000",
    "CHAT_CHANGES_PER_MINUTE": "60000",
    "CHAT_STATUSES_PER_MINUTE": "60000",
    "CHAT_HANDSHAKES_PER_SECOND": "5000",
    "CHAT_REST_REQUESTS_PER_SECOND": "10000",
    "CHAT_REST_BURST": "100000",
    # As in production: JSON, and no line for a single message.
    "CHAT_LOG_FORMAT": "json",
    "CHAT_LOG_LEVEL": "info",
}
USUAL: Final = {"GATEWAYS": "2", "MESSAGING": "1", "PRESENCE": "1", "NOTIFIER": "1"}
"""The replicas of all scenarios except those that compare numbers of replicas."""
BASELINE_PORT: Final = 18091
READY_SECONDS: Final = 20
STOP_SECONDS: Final = 10


@asynccontextmanager
async def system(
    terminal: Terminal,
    replicas: Mapping[str, str],
    name: str = "system",
    settings: Mapping[str, str] = SETTINGS,
    home: Path = HOME,
) -> AsyncIterator[Target]:
    """Run a new stack with `replicas` (`{"GATEWAYS": "2"}`), without settings of an earlier run. Raises StackError."""
    environment = {**os.environ, **settings, **replicas}
    stack = Stack(Home(home), environment, Console(quiet=True), tied=True)
    with terminal.status(f"starting {name}: {' '.join(f'{key}={value}' for key, value in replicas.items())}"):
        await stack.down()
        await stack.up()
    try:
        target = read_target(home / "stack.json")
        yield dataclasses.replace(target, name=name)
    finally:
        with terminal.status(f"stopping {name}"):
            await stack.down()


@asynccontextmanager
async def baseline(beside: Target) -> AsyncIterator[Target]:
    """Run the hand-written app on the PostgreSQL of `beside`. Raises TimeoutError when it doesn't start."""
    if beside.database_url is None:
        raise ValueError("the baseline needs the URL of a PostgreSQL")
    environment = {
        **os.environ,
        "CHAT_DATABASE_URL": beside.database_url,
        "CHAT_JWT_SECRET": secret_in_use(),
        "CHAT_HTTP_PORT": str(BASELINE_PORT),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tools.bench.baseline", env=environment)
    try:
        await _listening(BASELINE_PORT)
        processes = {"app": [process.pid], "postgres": beside.processes.get("postgres", [])}
        url = f"http://127.0.0.1:{BASELINE_PORT}"
        yield Target("baseline", url, processes, beside.database_url, follows_schema="baseline")
    finally:
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


async def _listening(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on port {port} after {READY_SECONDS} s") from None
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
