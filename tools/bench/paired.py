"""`python -m tools.bench.paired OTHER`: measures this checkout and another one in turn, round after round.

Other work on the machine changes every figure more than most commits do. Measured in turn, both checkouts suffer alike. OTHER is
a checkout (`git worktree add`) with its own `.venv` (`make install` there), which must have the scenarios.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from tools.bench.outcome import Run, load
from tools.chatctl.bench_compare import figures
from tools.stack.home import ROOT

KEPT: Final = ("server µs each", "ack p50 ms", "ack p99 ms")


def measure(checkout: Path, only: list[str], path: Path) -> Run:
    """Run a checkout's own benchmark for a short time. Raises typer.Exit when it wrote no result."""
    command = [str(checkout / ".venv/bin/python"), "-m", "tools.bench", "--quick", "--no-plots", "--output", str(path)]
    for scenario in only:
        command += ["--only", scenario]
    subprocess.run(command, cwd=checkout, check=False, stdout=subprocess.DEVNULL)
    if not path.exists():
        print(f"{checkout}: the benchmark wrote no result", file=sys.stderr)
        raise typer.Exit(1)
    return load(path)


def main(
    other: Annotated[Path, typer.Argument(help="The checkout to compare with: «before».")],
    only: Annotated[list[str], typer.Option(help="Scenarios that both know; repeatable.")],
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Each measures both, in alternating order.")] = 3,
    this: Annotated[Path, typer.Option(help="The checkout that is compared: «after».")] = ROOT,
) -> None:
    """Print the median of each figure before and after, and the median of the changes within the rounds."""
    before: list[Run] = []
    after: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            order = [(other.resolve(), before), (this.resolve(), after)]
            for checkout, runs in order if number % 2 == 0 else reversed(order):
                runs.append(measure(checkout, only, Path(folder) / f"{len(before) + len(after)}.json"))
    Console().print(comparison(before, after))


def comparison(before: list[Run], after: list[Run]) -> Table:
    """Return a table with one row for each figure that all runs have."""
    table = Table()
    for heading in ("scenario", "figure", "before", "after", "change"):
        table.add_column(heading, justify="left" if heading in {"scenario", "figure"} else "right", no_wrap=True)
    earlier, later = [_figures(run) for run in before], [_figures(run) for run in after]
    for name in later[0]:
        pairs = [(a[name], b[name]) for a, b in zip(earlier, later, strict=True) if name in a and name in b]
        if len(pairs) == len(later):
            changes = statistics.median(100 * (b - a) / a for a, b in pairs)
            middle = [f"{statistics.median(values):,.1f}" for values in zip(*pairs, strict=True)]
            table.add_row(*name, *middle, f"{changes:+.1f} %")
    return table


def _figures(run: Run) -> dict[tuple[str, str], float]:
    """Return (scenario, figure) → value, for the figures that are compared."""
    return {
        (f"{outcome.target}, {outcome.scenario}", figure): value
        for outcome in run.outcomes
        for figure, (value, _) in figures(outcome).items()
        if figure in KEPT and value
    }


if __name__ == "__main__":
    typer.run(main)
