"""`chatctl size`: replicas, memory and backends for a load."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tools.failure import Failure
from tools.sizing import Demand, Part, size
from tools.target import JsonOption

MIB = 1 << 20


def size_command(  # noqa: PLR0913 - each is an option
    users: Annotated[float, typer.Option(help="Users in a day, such as 1e6.")],
    concurrent: Annotated[float, typer.Option(help="Connections at once, at most.")],
    messages_per_day: Annotated[float | None, typer.Option(help="Messages that a user sends in a day.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Messages a second of all users at the peak, in place of --messages-per-day.")
    ] = None,
    peak: Annotated[float, typer.Option(help="The busiest hour, as a multiple of the mean.")] = 4.0,
    retention_days: Annotated[int, typer.Option(help="Days for which messages are kept.", min=1)] = 365,
    as_json: JsonOption = False,
) -> None:
    """Print replicas, cores and memory for a load, from the costs measured in docs/performance; half of each stays free."""
    if (messages_per_day is None) == (rate is None):
        raise Failure("the load has no messages, or two numbers of them", "give one of --messages-per-day and --rate")
    try:
        if rate is not None:
            demand = Demand.of_rate(users, concurrent, rate, peak, retention_days)
        else:
            demand = Demand(users, concurrent, messages_per_day or 0, peak, retention_days)
        parts = size(demand)
    except ValueError as error:
        raise Failure(str(error), "name the load again") from error
    if as_json:
        print(json.dumps([asdict(part) for part in parts], ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{demand.rate:,.0f} messages a second at the peak")
    console.print(_table(parts))
    console.print(_sum(parts))


def _table(parts: list[Part]) -> Table:
    table = Table("part", "replicas", "cores each", "MiB each", "because of", box=None)
    for part in parts:
        table.add_row(part.name, str(part.replicas), f"{part.cores:.2f}", f"{part.memory // MIB:,}", part.why)
    return table


def _sum(parts: list[Part]) -> str:
    processes = sum(part.replicas for part in parts)
    cores = sum(part.replicas * part.cores for part in parts)
    gib = sum(part.replicas * part.memory for part in parts) / 1024 / MIB
    return f"together: {processes} processes, {cores:.1f} cores used at the peak, {gib:,.1f} GiB of memory"
