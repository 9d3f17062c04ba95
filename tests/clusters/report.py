"""The table of `docs/reliability.md`: which node was lost, and for how long nothing was answered."""

import itertools
from pathlib import Path

from tests.clusters.availability import Availability
from tests.faults.load import Load, Result
from tools.stack.home import ROOT

REPORT = ROOT / ".local" / "clusters.md"
HEAD = (
    "| what happened | acknowledged under it | lost | twice | out of order | without acknowledgement | longest wait of a sender "
    "| without REST | without handshakes |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)


def begin(path: Path = REPORT) -> None:
    """Start the table afresh."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD, encoding="utf-8")


def without_acknowledgement(load: Load) -> float:
    """The longest time in which nobody's message was acknowledged, in seconds."""
    times = sorted(at for user in load.users for at in user.acknowledged_at)
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


def add(name: str, load: Load, result: Result, kept: Availability, path: Path = REPORT) -> None:
    """A row for a fault that was survived: the checks have shown that the zeros are zero."""
    seconds = (without_acknowledgement(load), result.silence, kept.longest["rest"], kept.longest["handshake"])
    cells = [name, f"{result.messages:,}", 0, 0, 0, *(f"{each:.1f} s" for each in seconds)]
    with path.open("a", encoding="utf-8") as table:
        table.write("| " + " | ".join(map(str, cells)) + " |\n")
