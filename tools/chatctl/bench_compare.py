"""`chatctl bench-compare`: two runs of the benchmark side by side."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tools.bench.outcome import Outcome, Run, figures, load
from tools.failure import Failure

NOTABLE_PERCENT: Final = 5.0
"""Smaller differences are noise on a machine that does anything else."""


def bench_compare(
    a: Annotated[Path, typer.Argument(help="The JSON of the earlier run.")],
    b: Annotated[Path, typer.Argument(help="The JSON of the later run.")],
) -> None:
    """Compare two results of `make bench`: what got better from A to B, and what worse."""
    before, after = _load(a), _load(b)
    console = Console()
    console.print(f"A: {before.at}, {before.commit}\nB: {after.at}, {after.commit}", highlight=False)
    if before.machine != after.machine:
        console.print("[yellow]The runs are of different machines.[/]")
    console.print(comparison(before, after))


def comparison(before: Run, after: Run) -> Table:
    """A row for each figure of each scenario that both runs have."""
    table = Table()
    for heading in ("scenario", "figure", "A", "B", "change"):
        table.add_column(heading, justify="right" if heading in {"A", "B", "change"} else "left", no_wrap=True)
    earlier = {(outcome.target, outcome.scenario): outcome for outcome in before.outcomes}
    for outcome in after.outcomes:
        match = earlier.get((outcome.target, outcome.scenario))
        if match is not None:
            _add_rows(table, match, outcome)
    return table


def _add_rows(table: Table, before: Outcome, after: Outcome) -> None:
    name = f"{after.target}, {after.scenario}"
    earlier = figures(before)
    for figure, (value, more_is_better) in figures(after).items():
        if figure in earlier:
            old = earlier[figure][0]
            table.add_row(name, figure, f"{old:,.1f}", f"{value:,.1f}", _change(old, value, more_is_better))
            name = ""
    table.add_section()


def _change(before: float, after: float, more_is_better: bool) -> str:
    if before == 0:
        return ""
    percent = 100 * (after - before) / before
    if abs(percent) < NOTABLE_PERCENT:
        return f"[dim]{percent:+.1f} %[/]"
    colour = "green" if (percent > 0) == more_is_better else "red"
    return f"[{colour}]{percent:+.1f} %[/]"


def _load(path: Path) -> Run:
    try:
        return load(path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", "results of `make bench` are in .local/bench/results") from error
    except msgspec.MsgspecError as error:
        raise Failure(f"{path} is no result: {error}", "name two JSON files that `make bench` wrote") from error
