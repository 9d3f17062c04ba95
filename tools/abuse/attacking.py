"""The attacking process, as the measurement uses it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import msgspec

from tools.abuse.attacker import Order, Outcome, Scene
from tools.bench.idle_group import idle_group

PREPARE_SECONDS: Final = 120
STOP_SECONDS: Final = 30


class Attacking:
    """Starts the process when it is needed, and again after it has failed.

    It stands for another machine: where the system allows that, it gets only the CPU that nobody else wants (a control group with
    `cpu.idle`), and otherwise the lowest priority (nice 19). `idle`: which of both.
    """

    def __init__(self, scene: Scene, *, idle: bool) -> None:
        self._scene = scene
        self._process: Process | None = None
        self._group = ExitStack()
        self.idle = idle

    async def prepare(self, order: Order) -> None:
        """Make an account ready for an attack. Raises RuntimeError when that fails."""
        if self._process is None:
            self._process = await self._start()
        await self._write(msgspec.json.encode(order))
        line = await self._line(PREPARE_SECONDS)
        if line:
            raise RuntimeError(msgspec.json.decode(line, type=Outcome).failed)

    async def begin(self) -> None:
        """Begin the attack that was prepared."""
        await self._write(b"")

    async def outcome(self) -> Outcome:
        """Return what the attack did, when it has ended. Raises RuntimeError when it broke off."""
        outcome = msgspec.json.decode(await self._line(STOP_SECONDS), type=Outcome)
        if outcome.failed:
            raise RuntimeError(outcome.failed)
        return outcome

    async def stop(self) -> None:
        """End the process; the next order starts a new one."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self._group.close()

    async def _start(self) -> Process:
        scene = msgspec.json.encode(self._scene).decode()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tools.abuse.attacker", scene, stdin=PIPE, stdout=PIPE
        )
        if self.idle:
            try:
                self._group.enter_context(idle_group([process.pid]))
            except OSError:
                self.idle = False
        return process

    async def _write(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def _line(self, seconds: float) -> bytes:
        """Return the next line of the process' output. Raises RuntimeError when it ended instead."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the attacking process ended too early; it says why above")
        return line.strip()


@asynccontextmanager
async def attacking(scene: Scene, *, idle: bool = True) -> AsyncIterator[Attacking]:
    """Have an attacking process until the block ends. `idle`: it gets only CPU that nobody else wants."""
    process = Attacking(scene, idle=idle)
    try:
        yield process
    finally:
        await process.stop()
