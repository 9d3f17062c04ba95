"""Two systems that run at the same time and are loaded in turn: short rounds, in which neither starts anew.

A round of two runs that each start a system takes a minute, and the systems' starts differ more than their costs. Here a round
takes seconds, so that an evening of them shows a change of a few percent. The system that isn't loaded costs what an idle one
does, and its CPU isn't counted.
"""

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from tools.bench.bench import Bench
from tools.bench.outcome import Outcome, Run
from tools.bench.scenarios import SCENARIOS
from tools.bench.stage import Stages
from tools.bench.system import SETTINGS, USUAL
from tools.bench.target import Target, read_target
from tools.stack.errors import StackError

PORTS: Final = ("18092", "18093")
HOME: Final = Path(".local") / "bench-together"
"""Folder of each checkout's stack, in the checkout."""


async def alternate(console: Console, checkouts: tuple[Path, Path], only: list[str], rounds: int) -> list[list[Run]]:
    """Return the runs of each checkout, one for each round. This checkout's load generator loads both.

    Raises StackError when a stack doesn't start.
    """
    runs: list[list[Run]] = [[], []]
    async with running(checkouts[0], PORTS[0]) as first, running(checkouts[1], PORTS[1]) as second:
        targets = (first, second)
        for number in range(rounds):
            for place in (0, 1) if number % 2 == 0 else (1, 0):
                outcomes = [await _measure(console, targets[place], name) for name in only]
                runs[place].append(_run(checkouts[place], outcomes))
    return runs


@asynccontextmanager
async def running(checkout: Path, port: str) -> AsyncIterator[Target]:
    """Run the stack of a checkout by its own code. Raises StackError when it doesn't start."""
    home = checkout / HOME
    environment = {**os.environ, **SETTINGS, **USUAL, "CHAT_PORT": port, "STACK_HOME": str(home)}
    try:
        await _stack(checkout, "up", environment)
        yield replace(read_target(home / "stack.json"), name="system")
    finally:
        await _stack(checkout, "down", environment)


async def _stack(checkout: Path, command: str, environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(checkout / ".venv/bin/python"), "-m", "tools.stack", command),
        cwd=checkout,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise StackError(f"{checkout}: {command}: {said.decode().strip()}")


async def _measure(console: Console, target: Target, name: str) -> Outcome:
    with Stages(console) as stages:
        outcome = await SCENARIOS[name](Bench(target, stages, quick=True, brief=True))
    if outcome.faults:
        raise StackError(f"{target.url}, {name}: {outcome.faults[0]}")
    return outcome


def _run(checkout: Path, outcomes: Sequence[Outcome]) -> Run:
    at = datetime.datetime.now(datetime.UTC)
    return Run(at.isoformat(timespec="seconds"), checkout.name, {}, list(outcomes))
