"""`python -m tools.bench.paired OTHER`: measures this checkout and another one in turn, round after round.

Other work on the machine changes every figure more than most commits do. Measured in turn, both checkouts suffer alike. OTHER is
a checkout (`git worktree add`) with its own `.venv` (`make install` there, with the same build of Python), which must have the
scenarios. With `--together` both run at the same time, and this checkout's load generator loads them in turn: see `together`.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from tools.bench.limits import raise_open_files
from tools.bench.outcome import Run, figures, load
from tools.bench.scenarios import SCENARIOS
from tools.bench.together import alternate
from tools.stack.errors import StackError
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
    together: Annotated[bool, typer.Option(help="Both run at the same time, and are loaded in turn.")] = False,
) -> None:
    """Print the median of each figure before and after, and the changes within the rounds: their median, and their mean with
    its standard error.
    """
    if together:
        Console().print(comparison(*_together(other, this, only, rounds)))
        return
    before: list[Run] = []
    after: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            order = [(other.resolve(), before), (this.resolve(), after)]
            for checkout, runs in order if number % 2 == 0 else reversed(order):
                runs.append(measure(checkout, only, Path(folder) / f"{len(before) + len(after)}.json"))
    Console().print(comparison(before, after))


def _together(other: Path, this: Path, only: list[str], rounds: int) -> tuple[list[Run], list[Run]]:
    if unknown := set(only) - SCENARIOS.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose of {', '.join(SCENARIOS)}")
    raise_open_files()
    try:
        before, after = uvloop.run(alternate(Console(), (other.resolve(), this.resolve()), only, rounds))
    except StackError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    return before, after


def comparison(before: list[Run], after: list[Run]) -> Table:
    """Return a table with one row for each figure that all runs have."""
    table = Table()
    for heading in ("scenario", "figure", "before", "after", "change", "mean"):
        table.add_column(heading, justify="left" if heading in {"scenario", "figure"} else "right", no_wrap=True)
    earlier, later = [_figures(run) for run in before], [_figures(run) for run in after]
    for name in later[0]:
        pairs = [(a[name], b[name]) for a, b in zip(earlier, later, strict=True) if name in a and name in b]
        if len(pairs) == len(later):
            changes = [100 * (b - a) / a for a, b in pairs]
            middle = [f"{statistics.median(values):,.1f}" for values in zip(*pairs, strict=True)]
            table.add_row(*name, *middle, f"{statistics.median(changes):+.1f} %", _mean(changes))
    return table


def _mean(changes: list[float]) -> str:
    """Return the mean with its standard error, which two values or fewer don't tell."""
    mean = f"{statistics.mean(changes):+.1f}"
    return f"{mean} ± {statistics.stdev(changes) / len(changes) ** 0.5:.1f} %" if len(changes) > 2 else f"{mean} %"


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
