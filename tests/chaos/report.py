"""The table of `docs/reliability.md`: what each client has come through."""

from dataclasses import asdict
from pathlib import Path

from tests.chaos.talkers import Seen
from tools.stack.home import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- written by `make chaos` -->\n"
END = "<!-- end -->\n"
HEAD = (
    "| client | messages | faults | connections | resumed by cursor | read over REST | lost | twice | out of order |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)


def row(name: str, seen: list[Seen], faults: int) -> str:
    """A line for a talk that passed its checks: they have shown that the zeros are zero."""
    sums = [sum(asdict(one)[key] for one in seen) for key in ("connections", "resumed", "overRest")]
    cells = [name, f"{len(seen[0].shown):,}", faults, *sums, 0, 0, 0]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def write(rows: list[str], document: Path = DOCUMENT) -> None:
    """Put the table of a long run in the place of the earlier one."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(before + BEGIN + HEAD + "".join(rows) + END + after, encoding="utf-8")
