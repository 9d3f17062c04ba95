"""`python -m tools.abuse`: starts its own stack, and measures each attack beside honest pairs."""

import gc
import secrets
import sys
import time
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console

from tools.abuse import report
from tools.abuse.attack import Attack
from tools.abuse.attacker import Scene
from tools.abuse.attacking import attacking
from tools.abuse.attacks import ATTACKS
from tools.abuse.honest import Honest
from tools.abuse.measurement import Measurement
from tools.abuse.memory import Memory
from tools.abuse.report import MOST_RATIO
from tools.abuse.row import Results, Row
from tools.abuse.usual_budget import MESSAGES_PER_MINUTE
from tools.bench import machine
from tools.bench.limits import raise_open_files
from tools.bench.people import rest_of
from tools.bench.system import system
from tools.bench.target import Target
from tools.stack.cli import drop
from tools.stack.errors import StackError
from tools.stack.home import ROOT, Home

HOME: Final = ROOT / ".local" / "abuse-stack"
RESULTS: Final = ROOT / ".local" / "abuse" / "results.json"
REPLICAS: Final = {"GATEWAYS": "2", "MESSAGING": "1", "PRESENCE": "1", "NOTIFIER": "1"}
ROUNDS: Final = 2
"""How often each attack is carried out at least."""
MOST_ROUNDS: Final = 6
FINISH_SECONDS: Final = 35.0
"""Time for the last attack, the comparison with history and the end of the stack."""
WIDTH: Final = 160
OUR_SETTINGS: Final = {
    "CHAT_PORT": "18096",
    "STACK_BACKENDS": "native",
    # An honest pair writes ten messages a second here; the hostile account has the usual budget (`usual_budget`).
    # All other limits are what they are in production.
    "CHAT_MESSAGES_PER_MINUTE": str(MESSAGES_PER_MINUTE),
    "CHAT_LOG_FORMAT": "json",
    "CHAT_LOG_LEVEL": "warning",
}


async def run(console: Console, attacks: list[Attack], seconds: float, within: float) -> Results:
    """Carry out the attacks, as often as there is time for. Raises StackError."""
    end = time.monotonic() + within - FINISH_SECONDS
    results = Results(machine=machine.describe())
    async with system(console, REPLICAS, "abuse", OUR_SETTINGS, HOME) as target, rest_of(target) as rest:
        honest = await Honest.gather(target, rest, f"honest-{secrets.token_hex(3)}")
        async with attacking(scene_of(target, honest)) as attacker:
            # Garbage collection here would look like a slow server.
            gc.collect()
            gc.disable()
            honest.start()
            await honest.acknowledged(seconds)
            measurement = Measurement(attacker, honest, Memory(target.processes), seconds)
            await measure_all(console, measurement, attacks, results, end)
            gc.enable()
            results.idle = attacker.idle
        verdict, errors = await honest.finish(rest)
    results.rows = measurement.rows()
    results.acknowledged = verdict.acknowledged
    results.left_out = honest.left_out / honest.measured
    results.faults += verdict.faults + [f"{count} × {code}" for code, count in errors.items()]
    results.faults += [
        f"{row.attack}: ratio {row.ratio.value:.2f}" for row in results.rows if row.ratio.value > MOST_RATIO
    ]
    for row in results.rows:
        console.print(line_of(row))
    console.print(
        f"{verdict.acknowledged:,} messages acknowledged, {verdict.received:,} received; alone {measurement.alone}"
    )
    return results


def scene_of(target: Target, honest: Honest) -> Scene:
    """Return where attacks happen. Raises RuntimeError when the address of Redis is not known."""
    if target.redis_url is None:
        raise RuntimeError("the account's budget is counted in Redis, whose address is not known")
    return Scene(target.url, target.admin_url, honest.names, target.redis_url)


async def measure_all(
    console: Console, measurement: Measurement, attacks: list[Attack], results: Results, end: float
) -> None:
    """Measure all attacks in turn, then those about which it isn't sure yet that their ratio is low enough."""
    broken: set[str] = set()
    for attack in [*attacks * ROUNDS, *(None for _ in range(MOST_ROUNDS * len(attacks)))]:
        chosen = attack or unsure(attacks, measurement.rows(), broken)
        if chosen is None:
            break
        if time.monotonic() > end:
            console.print(f"no time left for {chosen.name}")
            break
        try:
            await measurement.measure(chosen)
        except (RuntimeError, TimeoutError) as error:
            broken.add(chosen.name)
            results.faults.append(f"{chosen.name} broke off: {error!r}")
            console.print(results.faults[-1])
        else:
            console.print(line_of(measurement.row(chosen)))


def unsure(attacks: Iterable[Attack], rows: Iterable[Row], broken: Container[str]) -> Attack | None:
    """Choose the attack to measure again: of those whose ratio may be too high the one measured least, or the worst of these.

    None: there is none that was measured less than `MOST_ROUNDS` times.
    """
    again = [
        row for row in rows if row.attack not in broken and row.rounds < MOST_ROUNDS and row.ratio.high > MOST_RATIO
    ]
    if not again:
        return None
    first = min(again, key=lambda row: (row.rounds, -row.ratio.value))
    return next(attack for attack in attacks if attack.name == first.attack)


def line_of(row: Row) -> str:
    """Return a line for the console."""
    ratio = row.ratio
    return (
        f"{row.attack}: p99 {row.alone_ms.p99:.1f} → {row.ack_ms.p99:.1f} ms"
        f" ({ratio.value:.2f}, {ratio.low:.2f} to {ratio.high:.2f} in {row.rounds}), {row.sent}, {row.told}, {row.growth}"
    )


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="The name of an attack, or how names begin; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each attack lasts, each time.")] = 4,
    within: Annotated[float, typer.Option(help="Begin no attack that would end much later, in seconds.")] = 940,
    docs: Annotated[bool, typer.Option(help="Write the tables of docs/reliability.md.")] = True,
    results: Annotated[Path, typer.Option(help="Where figures of earlier runs are kept and merged.")] = RESULTS,
) -> None:
    """Measure what honest users notice of one hostile account, and how much memory it takes."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    chosen = [attack for attack in ATTACKS if not only or attack.name.startswith(tuple(only))]
    if not chosen:
        raise typer.BadParameter(f"choose of {', '.join(attack.name for attack in ATTACKS)}")
    raise_open_files()
    if HOME.exists():
        # Redis and PostgreSQL would go on with the inboxes and rows of earlier runs, and be slower with each run.
        drop(Home(HOME))
    try:
        measured = uvloop.run(run(console, chosen, seconds, within))
    except StackError as error:
        console.print(f"[red]The stack can't start:[/] {error}")
        raise typer.Exit(1) from None
    merged = _earlier(results).merge(measured)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_bytes(msgspec.json.encode(merged))
    if docs:
        report.write(merged)
    for fault in measured.faults:
        console.print(f"[red]{fault}[/]")
    if measured.faults:
        raise typer.Exit(1)


def _earlier(path: Path) -> Results:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.ValidationError):
        # There was no run, or one by another version.
        return Results()


if __name__ == "__main__":
    sys.argv[0] = "python -m tools.abuse"
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
