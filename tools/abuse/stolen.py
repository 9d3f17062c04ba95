"""The CPU time that the host took from this machine, and the half seconds in which it did."""

import os
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/stat")
STEAL: Final = 8
"""The column of `cpu` with stolen time, in ticks (proc(5))."""
MOST_SHARE: Final = 0.01
"""A half second in which the host took more than this share of the CPU says nothing about the system."""


def stolen_seconds(stat: Path = STAT) -> float:
    """Return the CPU time that was stolen so far; 0 on a machine that doesn't count it."""
    try:
        return int(stat.read_text(encoding="ascii").split("\n", 1)[0].split()[STEAL]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def own(shares: list[float]) -> list[bool]:
    """Return for each part whether the machine had its CPU then, given the stolen shares of all parts in order.

    A part after one with stolen time isn't measured either: what waited is done then. When the machine never had its CPU, all
    parts count: there is no better time.
    """
    found = [max(pair) <= MOST_SHARE for pair in zip([0.0, *shares], shares, strict=False)]
    return found if any(found) else [True] * len(found)
