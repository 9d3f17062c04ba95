"""The table of `docs/reliability.md`: what each client has come through."""

from collections.abc import Sequence
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


def write(line: str, names: Sequence[str], document: Path = DOCUMENT) -> None:
    """Put the line of a long run in the place of its client's earlier one. `names`: of all clients, in the table's order."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    known = {_client(one): one for one in [*table.splitlines(keepends=True), line]}
    lines = [known[name] for name in names if name in known]
    document.write_text(before + BEGIN + HEAD + "".join(lines) + END + after, encoding="utf-8")


def _client(line: str) -> str:
    """The first cell."""
    return line.partition("|")[2].partition("|")[0].strip()
