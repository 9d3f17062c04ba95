"""`python -m tools.bench.scale connections` (or `friends`): measures a message beside idle connections, or a change with friends.

Connections: 50 pairs send 100 messages a second through one gateway, beside 1,000, 3,000 and 10,000 idle connections.
Friends: 21 users get each other's changes of status, and have more and more other friends who are not connected.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

import typer
import uvloop
from rich.console import Console

from tools.bench import fixed_rate, friends
from tools.bench.bench import Bench
from tools.bench.crowd import Crowd
from tools.bench.limits import most_connections, raise_open_files
from tools.bench.outcome import Outcome
from tools.bench.stage import Stages
from tools.bench.system import system
from tools.bench.table import tables

ALONE: Final = {"GATEWAYS": "1", "MESSAGING": "1", "PRESENCE": "1", "NOTIFIER": "1"}
CONNECTIONS: Final = (0, 1_000, 3_000, 10_000)
ACTIVE_RATE: Final = 100.0
"""Messages a second, from 100 users: one in a hundred of 10,000 connections is active."""
ABSENT_FRIENDS: Final = (0, 100, 400, 1_000, 5_000 - friends.FRIENDS)


async def connections(bench: Bench) -> AsyncIterator[Outcome]:
    """Measure the active pairs beside more and more idle connections."""
    crowds: list[Crowd] = []
    held = 0
    for count in map(most_connections, CONNECTIONS):
        if count > held:
            crowd = Crowd(bench.target, bench.prefix(f"idle{count}"), count - held)
            async with bench.stages.counted(f"connecting up to {count}", count - held) as progress:
                await crowd.connect(progress)
            crowds.append(crowd)
            held = count
        outcome = await fixed_rate.run(Bench(bench.target, bench.stages, quick=True), ACTIVE_RATE)
        outcome.scenario += f", {held} idle"
        yield outcome
    for crowd in crowds:
        await crowd.cut()


async def many_friends(bench: Bench) -> AsyncIterator[Outcome]:
    """Measure new circles with more and more friends."""
    for absent in ABSENT_FRIENDS:
        yield await friends.run(Bench(bench.target, bench.stages, quick=True), absent, 1)


async def measure(console: Console, what: Literal["connections", "friends"]) -> None:
    """Start a stack with one of each service, measure, and print the tables."""
    outcomes: list[Outcome] = []
    async with system(console, ALONE) as target:
        with Stages(console) as stages:
            bench = Bench(target, stages)
            async for outcome in connections(bench) if what == "connections" else many_friends(bench):
                outcomes.append(outcome)
                console.print(f"{outcome.scenario}: {outcome.server_us:,.0f} µs of server CPU each")
    for table in tables(outcomes):
        console.print(table)


def main(what: Annotated[Literal["connections", "friends"], typer.Argument(help="What grows.")]) -> None:
    """Measure how the cost grows with connections or friends."""
    raise_open_files()
    uvloop.run(measure(Console(width=140), what))


if __name__ == "__main__":
    typer.run(main)
