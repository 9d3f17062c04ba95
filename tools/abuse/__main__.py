"""`python -m tools.abuse`: starts its own stack, and measures each attack beside honest pairs."""

import gc
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console

from tools.abuse import report
from tools.abuse.attack import Attack
from tools.abuse.attacks import ATTACKS
from tools.abuse.honest import Honest
from tools.abuse.measurement import Measurement
from tools.abuse.report import MOST_RATIO
from tools.abuse.row import Results
from tools.abuse.usual_budget import MESSAGES_PER_MINUTE
from tools.bench import machine
from tools.bench.limits import raise_open_files
from tools.bench.people import rest_of
from tools.bench.system import system
from tools.stack.errors import StackError
from tools.stack.home import ROOT

HOME: Final = ROOT / ".local" / "abuse"
RESULTS: Final = HOME / "results.json"
REPLICAS: Final = {"GATEWAYS": "2", "MESSAGING": "1", "PRESENCE": "1", "NOTIFIER": "1"}
ATTEMPTS: Final = 3
FINISH_SECONDS: Final = 35.0
"""Time for the last attack, the comparison with history and the end of the stack."""
WIDTH: Final = 160
OUR_SETTINGS: Final = {
    "CHAT_PORT": "18092",
    "STACK_BACKENDS": "native",
    # An honest pair writes ten messages a second here; the hostile account has the usual budget (`usual_budget`).
    # All other limits are what they are in production.
    "CHAT_MESSAGES_PER_MINUTE": str(MESSAGES_PER_MINUTE),
    "CHAT_LOG_FORMAT": "json",
    "CHAT_LOG_LEVEL": "warning",
}


async def run(console: Console, attacks: list[Attack], seconds: float, within: float) -> Results:
    """Carry out the attacks, as many as there is time for. Raises StackError."""
    end = time.monotonic() + within - FINISH_SECONDS
    results = Results(machine=machine.describe())
    async with system(console, REPLICAS, "abuse", OUR_SETTINGS, HOME) as target, rest_of(target) as rest:
        honest = await Honest.gather(target, rest, f"honest-{secrets.token_hex(3)}")
        # Garbage collection here would look like a slow server.
        gc.collect()
        gc.disable()
        honest.start()
        await honest.acknowledged(seconds / 2)
        measurement = Measurement(target, honest, seconds)
        for attack in rounds(attacks, results):
            if time.monotonic() > end:
                console.print(f"no time left for {attack.name} and what follows")
                break
            await measure(console, measurement, attack, results)
        gc.enable()
        verdict, errors = await honest.finish(rest)
    for row in results.rows:
        row.alone_ms = measurement.alone
    results.acknowledged = verdict.acknowledged
    results.faults += verdict.faults + [f"{count} × {code}" for code, count in errors.items()]
    results.faults += [f"{row.attack}: ratio {row.ratio:.2f}" for row in results.rows if row.ratio > MOST_RATIO]
    console.print(
        f"{verdict.acknowledged:,} messages acknowledged, {verdict.received:,} received; alone {measurement.alone}"
    )
    return results


def rounds(attacks: list[Attack], results: Results) -> Iterator[Attack]:
    """Yield all attacks, and then again those whose ratio is too high by then."""
    yield from attacks
    for _ in range(ATTEMPTS - 1):
        yield from (attack for attack in attacks if results.needs(attack.name, MOST_RATIO))


async def measure(console: Console, measurement: Measurement, attack: Attack, results: Results) -> None:
    """Measure an attack, perhaps again: other work on the machine looks like an attack, too, so the lowest p99 counts."""
    try:
        row = await measurement.measure(attack)
    except (RuntimeError, TimeoutError) as error:
        results.faults.append(f"{attack.name} broke off: {error!r}")
        console.print(results.faults[-1])
        return
    row.alone_ms = measurement.alone
    results.add(row)
    console.print(f"{attack.name}: p99 {row.ack_ms.p99:.1f} ms ({row.ratio:.2f}), {row.told}, {row.growth}")


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="The name of an attack, or how names begin; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each attack lasts.")] = 4,
    within: Annotated[float, typer.Option(help="Begin no attack that would end much later.")] = 3600,
    docs: Annotated[bool, typer.Option(help="Write the tables of docs/reliability.md.")] = True,
    results: Annotated[Path, typer.Option(help="Where figures of earlier runs are kept and merged.")] = RESULTS,
) -> None:
    """Measure what honest users notice of one hostile account, and how much memory it takes."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    chosen = [attack for attack in ATTACKS if not only or attack.name.startswith(tuple(only))]
    if not chosen:
        raise typer.BadParameter(f"choose of {', '.join(attack.name for attack in ATTACKS)}")
    raise_open_files()
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
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


if __name__ == "__main__":
    sys.argv[0] = "python -m tools.abuse"
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
