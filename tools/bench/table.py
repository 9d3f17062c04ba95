"""Shows results as tables on the terminal."""

from collections.abc import Iterable

from rich.table import Table

from tools.bench.latency import Latency
from tools.bench.outcome import Outcome

KINDS = ("gateway", "messaging", "presence", "notifier", "postgres", "redis", "rabbitmq", "haproxy", "app", "ejabberd")
"""Columns, in the order of a message's path."""


def tables(outcomes: Iterable[Outcome]) -> tuple[Table, Table]:
    """Return a table of results and a table of CPU, each with one row for each outcome."""
    results = Table(title="p50 / p95 / p99", title_justify="left")
    costs = Table(title="µs of CPU, all threads, for each unit", title_justify="left")
    for shown in (results, costs):
        shown.add_column("scenario", no_wrap=True)
    for heading in ("units/s", "server µs", "ack ms", "receive ms", "checked"):
        results.add_column(heading, justify="right")
    for heading in (*KINDS, "generator"):
        costs.add_column(heading, justify="right")
    for outcome in outcomes:
        name = f"{outcome.target}, {outcome.scenario}"
        results.add_row(name, *_results(outcome))
        costs.add_row(name, *_costs(outcome))
    return results, costs


def _results(outcome: Outcome) -> list[str]:
    return [
        f"{outcome.rate:,.0f} {outcome.unit}s",
        f"[bold]{outcome.server_us:,.0f}[/]",
        _milliseconds(outcome.ack_ms),
        _milliseconds(outcome.receive_ms),
        _verdict(outcome),
    ]


def _costs(outcome: Outcome) -> list[str]:
    spent = [f"{outcome.cpu_us[kind]:,.1f}" if kind in outcome.cpu_us else "" for kind in KINDS]
    return [*spent, f"{outcome.generator_us:,.1f}"]


def _milliseconds(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return " / ".join(f"{value:.1f}" for value in (latency.p50, latency.p95, latency.p99))


def _verdict(outcome: Outcome) -> str:
    if outcome.faults:
        return f"[red]{len(outcome.faults)} faults[/]"
    return "" if outcome.verdict is None else f"[green]{outcome.verdict.acknowledged:,} ok[/]"


def remarks(outcomes: Iterable[Outcome]) -> list[str]:
    """Return lines for what has no column: memory, figures of one scenario, and a warning when other work used the machine."""
    lines = []
    for outcome in outcomes:
        name = f"{outcome.target}, {outcome.scenario}"
        if outcome.memory:
            sizes = ", ".join(f"{kind} {size / 1024:.1f}" for kind, size in sorted(outcome.memory.items()))
            lines.append(f"{name}: KiB for each {outcome.unit}: {sizes}")
        own = {key: value for key, value in outcome.extra.items() if not key.endswith("cpu_percent")}
        if own:
            lines.append(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in own.items()))
        disturbed = outcome.extra.get("foreign_cpu_percent", 0) + outcome.extra.get("stolen_cpu_percent", 0)
        if disturbed > NOISY_PERCENT:
            lines.append(
                f"[yellow]{name}: {disturbed:.0f} % of the CPU went to other processes or guests: run it again[/]"
            )
        lines += [f"[red]{name}: {fault}[/]" for fault in outcome.faults]
    return lines


NOISY_PERCENT = 8.0
"""Above this share, other work distorts the figures. The idle kernel and this tool's progress bar use some."""
