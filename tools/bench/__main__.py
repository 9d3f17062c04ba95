"""`python -m tools.bench`: starts a stack of its own, loads it, and prints what a message costs."""

import datetime
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import asyncpg
import httpx
import picows
import typer
import uvloop
from rich.console import Console

from tools.bench import machine, plot, rows, saturated, traffic, xmpp
from tools.bench.bench import Bench, Gather
from tools.bench.ejabberd import ejabberd
from tools.bench.limits import raise_open_files
from tools.bench.outcome import Outcome, Run, save
from tools.bench.scenarios import BASELINE, MESSAGES, SCENARIOS, Scenario
from tools.bench.stage import Stages
from tools.bench.system import HOME, USUAL, baseline, system
from tools.bench.table import remarks, tables
from tools.bench.target import Target
from tools.stack.errors import StackError
from tools.stack.home import ROOT

RESULTS: Final = ROOT / ".local" / "bench" / "results"
PLOTS: Final = ROOT / "docs" / "performance"

BREAKS: Final = (httpx.HTTPError, picows.WSError, asyncpg.PostgresError, OSError, EOFError, TimeoutError)
"""Errors that a scenario gets from a system that can't keep up."""

PEERS: Final = {"ejabberd": ejabberd}
"""Other chat servers, which speak XMPP."""
REPLICAS: Final = (
    USUAL,
    {"GATEWAYS": "4", "MESSAGING": "2", "PRESENCE": "2", "NOTIFIER": "2"},
)
WIDTH: Final = 140
"""Columns of the output, when it goes to a file."""
EXTRA: Final = ("baseline", "rows", "replicas")
"""More choices besides the scenarios: the comparison, and the cost with more data and with more processes."""


class Benchmark:
    """One run of the chosen scenarios."""

    def __init__(
        self, console: Console, chosen: set[str], quick: bool, peer: Literal["ejabberd"] | None = None
    ) -> None:
        self._console = console
        self._chosen = chosen
        self._quick = quick
        self._peer = peer
        self.outcomes: list[Outcome] = []
        self.failures: list[str] = []

    async def run(self) -> None:
        """Measure everything that was chosen. Raises StackError."""
        if self._chosen - {"replicas"}:
            async with system(self._console, REPLICAS[0]) as target:
                await self._scenarios(target, [name for name in SCENARIOS if name in self._chosen])
                if "rows" in self._chosen:
                    for count in rows.QUICK_ROWS if self._quick else rows.ROWS:
                        await self._measure(target, f"{count} rows", partial(rows.run, rows=count))
                await self._others(target)
        if "replicas" in self._chosen:
            await self._replicas()

    async def _others(self, beside: Target) -> None:
        """Measure the apps that the system is compared with, on the same PostgreSQL."""
        if "baseline" in self._chosen:
            async with baseline(beside) as app:
                await self._scenarios(app, [name for name in BASELINE if name in self._chosen])
        if self._peer is not None:
            async with PEERS[self._peer](beside, HOME) as other:
                names = [name for name in MESSAGES if name in self._chosen]
                await self._scenarios(other, names, xmpp.gather)

    async def _scenarios(self, target: Target, names: list[str], gather: Gather = traffic.gather) -> None:
        for name in names:
            await self._measure(target, f"{target.name}, {name}", SCENARIOS[name], gather)

    async def _replicas(self) -> None:
        for replicas in REPLICAS:
            async with system(self._console, replicas) as target:
                name = f"replicas {'+'.join(replicas.values())}"
                await self._measure(target, name, partial(saturated.run, scenario=name))

    async def _measure(self, target: Target, name: str, scenario: Scenario, gather: Gather = traffic.gather) -> None:
        """Measure one scenario. If it breaks off, the run fails in the end, but the other scenarios still run."""
        try:
            with Stages(self._console) as stages:
                self._take(await scenario(Bench(target, stages, self._quick, gather)))
        except BREAKS as error:
            self.failures.append(f"{name} broke off: {error!r}")
            self._console.print(f"[red]{self.failures[-1]}[/]")

    def _take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        fault = f" [red]{outcome.faults[0]}[/]" if outcome.faults else ""
        self._console.print(
            f"{outcome.target}, {outcome.scenario}: {outcome.rate:,.0f} {outcome.unit}s/s,"
            f" {outcome.server_us:,.0f} µs of server CPU each{fault}"
        )


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join([*SCENARIOS, *EXTRA])}; repeatable.")] = None,
    quick: Annotated[
        bool, typer.Option(help="Short windows, small crowds, no rows and replicas: two minutes.")
    ] = False,
    peer: Annotated[
        Literal["ejabberd"] | None, typer.Option(help="Another chat server that gets the same messages.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where the JSON goes; by default .local/bench/results/<time>.json.")
    ] = None,
    plots: Annotated[bool, typer.Option(help="Draw docs/performance/*.svg.")] = True,
) -> None:
    """Measure what a message costs, on a stack of the benchmark's own."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    known = {*SCENARIOS, *EXTRA}
    chosen = set(only or (known - {"rows", "replicas"} if quick else known))
    if unknown := chosen - known:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose of {', '.join([*SCENARIOS, *EXTRA])}")
    raise_open_files()
    benchmark = Benchmark(console, chosen, quick, peer)
    at = datetime.datetime.now(datetime.UTC)
    try:
        uvloop.run(benchmark.run())
    except StackError as error:
        console.print(f"[red]The stack of the benchmark can't start:[/] {error}")
        raise typer.Exit(1) from None
    finally:
        _report(console, benchmark.outcomes, at, output, plots and not quick)
    if benchmark.failures or any(outcome.faults for outcome in benchmark.outcomes):
        raise typer.Exit(1)


def _report(console: Console, outcomes: list[Outcome], at: datetime.datetime, output: Path | None, plots: bool) -> None:
    if not outcomes:
        return
    for shown in tables(outcomes):
        console.print(shown)
    for line in remarks(outcomes):
        console.print(line)
    path = output or RESULTS / f"{at:%Y-%m-%dT%H%M%S}.json"
    described = machine.describe()
    console.print(", ".join(f"{name}: {value}" for name, value in described.items()))
    save(Run(at.isoformat(timespec="seconds"), _commit(), described, outcomes), path)
    console.print(f"written: {path}")
    if plots:
        for plotted in plot.write(PLOTS, outcomes):
            console.print(f"written: {plotted}")


def _commit() -> str:
    """Return the measured commit, with `+` when the tree has changes."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.argv[0] = "python -m tools.bench"
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
