"""Measures one attack beside the honest pairs: before and during it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

import msgspec

from tools.abuse.attack import Attack
from tools.abuse.attacker import Order
from tools.abuse.honest import Honest
from tools.abuse.memory import Memory
from tools.abuse.row import Row
from tools.bench.latency import Latency, summarize
from tools.bench.target import Target

PREPARE_SECONDS: Final = 120
STOP_SECONDS: Final = 30
SETTLE_SECONDS: Final = 1.0
ALONE_SHARE: Final = 0.5
"""The time without an attack, as a share of the attack's time. There is one such time before each attack."""


class Measurement:
    """Measures attacks one after the other."""

    def __init__(self, target: Target, honest: Honest, seconds: float) -> None:
        self._target = target
        self._honest = honest
        self._seconds = seconds
        self._memory = Memory(target.processes)
        self._alone: list[Latency] = []

    @property
    def alone(self) -> Latency | None:
        """Return the latency of the honest pairs without an attack: of all such times, the one with the median 99th percentile.

        So other work on a shared machine neither hides the effect of an attack nor counts as one.
        """
        return sorted(self._alone, key=lambda latency: latency.p99)[len(self._alone) // 2] if self._alone else None

    async def measure(self, attack: Attack) -> Row:
        """Prepare an attack, measure without and with it. Raises RuntimeError when it can't be carried out."""
        target = self._target
        if target.redis_url is None:
            raise RuntimeError("the account's budget is counted in Redis, whose address is not known")
        order = Order(attack.name, self._seconds, target.url, target.admin_url, self._honest.names, target.redis_url)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tools.abuse.attacker",
            msgspec.json.encode(order).decode(),
            stdin=PIPE,
            stdout=PIPE,
        )
        try:
            await _line(process, PREPARE_SECONDS)
            return await self._beside(attack, process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _beside(self, attack: Attack, process: Process) -> Row:
        await asyncio.sleep(SETTLE_SECONDS)
        alone = summarize(await self._honest.acknowledged(self._seconds * ALONE_SHARE))
        if alone is not None:
            self._alone.append(alone)
        before = self._memory.now()
        assert process.stdin is not None
        async with self._memory.watched():
            process.stdin.write(b"go\n")
            beside = await self._honest.acknowledged(self._seconds)
        told = msgspec.json.decode(await _line(process, STOP_SECONDS), type=dict[str, int])
        latency = summarize(beside)
        if latency is None:
            raise RuntimeError("nothing was acknowledged during the attack")
        return Row(
            attack=attack.name,
            description=attack.description,
            ack_ms=latency,
            acknowledged=len(beside),
            told=told,
            memory_before=before,
            memory_highest=self._memory.highest,
        )


async def _line(process: Process, seconds: float) -> bytes:
    """The next line of the process' output. Raises RuntimeError when it ended instead."""
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the attacking process ended too early; it says why above")
    return line
