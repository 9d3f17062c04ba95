"""The table of `docs/reliability.md`: what was done, how often, and what was lost."""

from pathlib import Path

from tests.faults.load import Result
from tools.stack.home import ROOT

REPORT = ROOT / ".local" / "faults.md"
HEAD = (
    "| fault | times | acknowledged under it | lost | twice | out of order | connections lost | longest wait of a sender |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|\n"
)


def begin(path: Path = REPORT) -> None:
    """Start the table afresh."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD, encoding="utf-8")


def add(name: str, rounds: int, result: Result, path: Path = REPORT) -> None:
    """A row for a fault that was survived: the checks have shown that the zeros are zero."""
    cells = [name, rounds, f"{result.messages:,}", 0, 0, 0, result.lost_connections, f"{result.silence:.1f} s"]
    with path.open("a", encoding="utf-8") as table:
        table.write("| " + " | ".join(map(str, cells)) + " |\n")
