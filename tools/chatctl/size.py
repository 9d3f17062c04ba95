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


def size_command(
    users: Annotated[float, typer.Option(help="Users in a day, such as 1e6.")],
    concurrent: Annotated[float, typer.Option(help="Connections at once, at most.")],
    messages_per_day: Annotated[float, typer.Option(help="Messages that a user sends in a day.")],
    peak: Annotated[float, typer.Option(help="The busiest hour, as a multiple of the mean.")] = 4.0,
    retention_days: Annotated[int, typer.Option(help="Days for which messages are kept.", min=1)] = 365,
    as_json: JsonOption = False,
) -> None:
    """Print replicas, cores and memory for a load, from the costs measured in docs/performance; half of each stays free."""
    demand = Demand(users, concurrent, messages_per_day, peak, retention_days)
    try:
        parts = size(demand)
    except ValueError as error:
        raise Failure(str(error), "name the load again") from error
    if as_json:
        print(json.dumps([asdict(part) for part in parts], ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{demand.rate:,.0f} messages a second at the peak")
    console.print(_table(parts))


def _table(parts: list[Part]) -> Table:
    table = Table("part", "replicas", "cores used", "memory, MiB", "because of", box=None)
    for part in parts:
        table.add_row(part.name, str(part.replicas), f"{part.cores:.2f}", f"{part.memory // MIB:,}", part.why)
    return table
