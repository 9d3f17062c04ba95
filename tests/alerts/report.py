"""The table of `docs/alerts.md`: how each alert was brought about, and which commands of its page were run."""

from collections.abc import Iterable
from itertools import dropwhile, takewhile
from typing import Final

from tools.stack.home import ROOT

DOCUMENT: Final = ROOT / "docs/alerts.md"
HEAD: Final = "| alerts that fired and ended | brought about by | run of their pages |\n| --- | --- | --- |\n"


def rows(text: str) -> dict[str, str]:
    """How each condition was brought about → its row in the document."""
    return {row.split(" | ")[1]: row for row in takewhile(_is_row, text.partition(HEAD)[2].splitlines())}


def write(how: str, alerts: Iterable[str], commands: Iterable[str]) -> None:
    """Put the row of a condition whose alerts fired and ended in its place."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, head, rest = text.partition(HEAD)
    assert head, f"{DOCUMENT} has no table"
    told = ", ".join(dict.fromkeys(f"`{command}`" for command in commands)) or "–"
    kept = rows(text)
    after = "\n".join(dropwhile(_is_row, rest.split("\n")))
    kept[how] = f"| {', '.join(alerts)} | {how} | {told} |"
    DOCUMENT.write_text(before + head + "\n".join([*sorted(kept.values()), after]), encoding="utf-8")


def _is_row(line: str) -> bool:
    return line.startswith("|")
