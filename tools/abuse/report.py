"""The tables of `docs/reliability.md`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tools.abuse.row import Results, Row
from tools.stack.home import ROOT

DOCUMENT: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- written by `make abuse`: begin -->"
END: Final = "<!-- written by `make abuse`: end -->"
MIB: Final = 1024 * 1024
MOST_TOLD: Final = 3
MOST_RATIO: Final = 1.5
"""What honest users may wait beside an attack, of what they wait without it."""
SENT: Final = ("frames", "requests", "handshakes")
UNTOLD: Final = frozenset({"connection.success", "status.bulk"})
"""Events that every connection gets, which aren't answers."""
HEAD: Final = (
    "| the hostile account | what it sent, a second | what it was told | p99 without it | p99 beside it | ratio | 90 % interval"
    " | rounds | grew most |\n|---|---|---|---:|---:|---:|---:|---:|---|\n"
)
MEMORY_HEAD: Final = (
    "| processes | before, at most | during an attack, at most | grew by at most | under |\n|---|---:|---:|---:|---|\n"
)


def tables(results: Results) -> str:
    """Both tables in Markdown."""
    rows = "".join(map(_row, results.rows))
    memory = "".join(_memory(kind, results.rows) for kind in _kinds(results.rows))
    return f"{HEAD}{rows}\n{MEMORY_HEAD}{memory}\n{_lost(results)}{_slowed(results.rows)}"


def write(results: Results, document: Path = DOCUMENT) -> None:
    """Replace the text between the marks. Raises ValueError when the marks are missing."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} lacks the marks that show where the tables stand")
    document.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}", encoding="utf-8")


def _lost(results: Results) -> str:
    faults = [fault for fault in results.faults if "ratio" not in fault]
    verdict = "; ".join(faults) or "none was lost, doubled or out of order"
    return (
        f"The honest pairs had {results.acknowledged:,} messages acknowledged in that run; {verdict}.\n"
        f"In {results.left_out:.0%} of the time, the host took CPU from the machine; these half seconds aren't counted.\n"
    )


def _slowed(rows: list[Row]) -> str:
    slowed = sorted((row for row in rows if row.ratio.value > MOST_RATIO), key=lambda row: -row.ratio.value)
    named = ", ".join(f"`{row.attack}` {row.ratio.value:.2f}" for row in slowed) or "none"
    near = sum(row.ratio.value <= MOST_RATIO < row.ratio.high for row in rows)
    surely = sum(row.ratio.low > MOST_RATIO for row in rows)
    return (
        f"Ratios over {MOST_RATIO}: {named}.\n"
        f"Of {len(rows)} intervals, {surely or 'none'} {'is' if surely <= 1 else 'are'} over {MOST_RATIO} as a whole;"
        f" {near} more reach over it, though their ratios don't.\n"
    )


def _row(row: Row) -> str:
    kind, grown = row.growth
    ratio = row.ratio
    cells = (
        f"{row.attack}: {row.description}",
        _sent(row),
        _told(row.told),
        f"{row.alone_ms.p99:.1f} ms",
        f"{row.ack_ms.p99:.1f} ms",
        f"{ratio.value:.2f}",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
        str(row.rounds),
        f"{kind} {grown / MIB:+.0f} MiB",
    )
    return f"| {' | '.join(cells)} |\n"


def _sent(row: Row) -> str:
    """What the account sent in a second."""
    kinds = [f"{row.sent[kind] / row.seconds:,.0f} {kind}" for kind in SENT if row.sent.get(kind)]
    return ", ".join([*kinds, f"{row.sent.get('bytes', 0) / row.seconds / 1000:,.0f} KB"])


def _told(told: dict[str, int]) -> str:
    shown = sorted(((count, what) for what, count in told.items() if what not in UNTOLD), reverse=True)[:MOST_TOLD]
    return ", ".join(f"{count:,} × `{what}`" for count, what in shown) or "nothing"


def _kinds(rows: Iterable[Row]) -> list[str]:
    return sorted({kind for row in rows for kind in row.memory_before})


def _memory(kind: str, rows: list[Row]) -> str:
    having = [row for row in rows if kind in row.memory_before]
    worst = max(having, key=lambda row: row.memory_highest[kind] - row.memory_before[kind])
    before = max(row.memory_before[kind] for row in having)
    highest = max(row.memory_highest[kind] for row in having)
    grown = worst.memory_highest[kind] - worst.memory_before[kind]
    return f"| {kind} | {before / MIB:.0f} MiB | {highest / MIB:.0f} MiB | {grown / MIB:.0f} MiB | {worst.attack} |\n"
