"""The table of `docs/reliability.md`: which node was lost, and for how long nothing was answered."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from tests.clusters.availability import Availability
from tests.faults.load import Load
from tools.stack.home import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
HEAD = "| what happened | acknowledged under it |"
"""How the table begins."""


@dataclass(frozen=True)
class Waits:
    """The longest times without something, in seconds."""

    acknowledgement: float
    sender: float
    rest: float
    handshake: float

    @classmethod
    def within(cls, begun: float, ended: float, load: Load, kept: Availability) -> "Waits":
        """From `begun` to `ended`, by the monotonic clock."""
        everybody = [at for user in load.users for at in user.acknowledged_at]
        return cls(
            longest(everybody, begun, ended),
            max(longest(user.acknowledged_at, begun, ended) for user in load.users),
            longest(kept.answered_at["rest"], begun, ended),
            longest(kept.answered_at["handshake"], begun, ended),
        )


def longest(times: Iterable[float], begun: float, ended: float) -> float:
    """Return the longest time between two consecutive `times`; only what is after `begun` counts."""
    pairs = itertools.pairwise(sorted(times))
    return max(
        (later - max(earlier, begun) for earlier, later in pairs if later > begun and earlier < ended), default=0.0
    )


def acknowledged(load: Load, begun: float, ended: float) -> int:
    """How many messages were acknowledged between two instants."""
    return sum(begun <= at < ended for user in load.users for at in user.acknowledged_at)


def write(name: str, acknowledged: int, waits: Waits) -> None:
    """Put the row of a fault that was survived into the table, or in place of its former one.

    The checks have shown that the zeros are zero.
    """
    seconds = (waits.acknowledgement, waits.sender, waits.rest, waits.handshake)
    row = "| " + " | ".join([name, f"{acknowledged:,}", "0", "0", "0", *(f"{each:.1f} s" for each in seconds)]) + " |"
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith(HEAD)) + 2
    last = next(place for place, line in enumerate(lines) if place >= first and not line.startswith("|"))
    known = [place for place in range(first, last) if _name(lines[place]) == _name(row)]
    if known:
        lines[known[0]] = row
    else:
        lines.insert(last, row)
    DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _name(row: str) -> str:
    """What happened, without the measured time in parentheses."""
    return row.split(" | ", maxsplit=1)[0].partition(" (")[0].strip("| ")
