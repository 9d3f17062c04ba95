"""Starts programs, and probes them until they answer. A clear error says why one doesn't."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

from tools.stack.console import Console
from tools.stack.errors import NotReady, StackError, StartFailed
from tools.stack.home import Home
from tools.stack.process import Processes, Record
from tools.stack.program import Probe, Program

POLL_SECONDS = 0.05


class Starter:
    """Starts the programs of one stack."""

    def __init__(self, home: Home, processes: Processes, console: Console) -> None:
        self._home = home
        self._processes = processes
        self._console = console
        self._started: dict[str, Record] = {}

    async def launch(self, program: Program) -> None:
        """Prepare and start it. Raises StackError when it can't be prepared."""
        self._console.step(f"starting {program.name}")
        await asyncio.to_thread(program.prepare)
        self._started[program.name] = self._processes.start(program)

    async def await_ready(self, program: Program) -> None:
        """Ask until it answers. Raises StartFailed when it ends before that, or takes too long.

        A process that was already running, and was about to end, is started again.
        """
        deadline = time.monotonic() + program.start_seconds
        while True:
            try:
                await program.probe()
            except NotReady as error:
                reason = str(error)
            else:
                return
            if self._processes.find(program.name) is None:
                if program.name in self._started:
                    raise StartFailed(program.name, self._ending(program.name), self._home.log(program.name))
                await self.launch(program)
                deadline = time.monotonic() + program.start_seconds
            elif time.monotonic() > deadline:
                late = f"isn't ready after {program.start_seconds:.0f} s: {reason}"
                raise StartFailed(program.name, late, self._home.log(program.name))
            await asyncio.sleep(POLL_SECONDS)

    async def await_all(self, programs: Iterable[Program]) -> None:
        """Probe all in parallel. Raises the first StartFailed at once."""
        await all_of(self.await_ready(program) for program in programs)

    def _ending(self, name: str) -> str:
        record = self._started.get(name)
        status = None if record is None else self._processes.exit_status(record)
        if status is None:
            return "ended while it started"
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"ended while it started, with {how}"


async def answers_within(seconds: float, probe: Probe, subject: str) -> None:
    """Ask a server until it answers. Raises StackError, which begins with `subject`, when it hasn't in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await probe()
        except NotReady as error:
            if time.monotonic() > deadline:
                raise StackError(f"{subject}: {error}") from error
        else:
            return
        await asyncio.sleep(POLL_SECONDS)


async def all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all in parallel. Raises the first error at once, because the others may wait for the failed one."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        for done in asyncio.as_completed(tasks):
            await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def together(works: Iterable[Awaitable[None]]) -> None:
    """Run all in parallel. Raises the first error when all have ended."""
    faults = [fault for fault in await asyncio.gather(*works, return_exceptions=True) if fault is not None]
    if faults:
        raise faults[0]
