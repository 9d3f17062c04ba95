"""`chatctl status`: which processes of the local stack run, and whether they are ready."""

import asyncio
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tools.failure import Failure
from tools.process_health import READY, Health, ask_all
from tools.target import JsonOption, processes


def status(as_json: JsonOption = False) -> None:
    """Show every process of the local stack; fails when one isn't ready."""
    healths = asyncio.run(ask_all(processes()))
    if as_json:
        print(json.dumps([asdict(health) for health in healths]))
    else:
        Console().print(_table(healths))
    if unready := [health.name for health in healths if health.state != READY]:
        raise Failure(
            f"not ready: {', '.join(unready)}", "bring back what is missing with `make up`; logs are in .local/log"
        )


def _table(healths: list[Health]) -> Table:
    table = Table()
    for heading in ("process", "pid", "port", "state"):
        table.add_column(heading, justify="right" if heading in {"pid", "port"} else "left")
    for health in healths:
        colour = "green" if health.state == READY else "red"
        table.add_row(health.name, str(health.pid), str(health.port), f"[{colour}]{health.state}[/]")
    return table
