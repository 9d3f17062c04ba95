"""The ratio of two 99th percentiles, and how sure it is."""

import math
import random
from collections.abc import Sequence
from typing import Final

import msgspec

Window = Sequence[float]
"""Latencies in seconds, in the order in which they were measured."""
BLOCK: Final = 250
"""Latencies that are drawn together: those of half a second. What delays one message delays its neighbours too."""
RESAMPLES: Final = 400
OUTSIDE: Final = 0.05
"""The share of resamples below the interval, and above it."""
DIGITS: Final = 2
"""What is shown: no figure is over a limit that it seems to meet."""
SEED: Final = 14
"""The same latencies give the same interval."""


class Ratio(msgspec.Struct, frozen=True):
    """`low` and `high`: the interval that holds it with a probability of 90 %."""

    value: float
    low: float
    high: float


def ratio_of(beside: Sequence[Window], alone: Sequence[Window]) -> Ratio:
    """Return the ratio of the 99th percentiles of all latencies in these windows.

    The interval is a block bootstrap: latencies are drawn again and again from those that were measured, half a second at a time.
    Raises ValueError without latencies.
    """
    chance = random.Random(SEED)  # noqa: S311 - statistics
    numerators, denominators = _blocks(beside), _blocks(alone)
    value = _p99(numerators) / _p99(denominators)
    drawn = sorted(_p99(_again(numerators, chance)) / _p99(_again(denominators, chance)) for _ in range(RESAMPLES))
    place = round(OUTSIDE * RESAMPLES)
    return Ratio(*(round(each, DIGITS) for each in (value, min(value, drawn[place]), max(value, drawn[-1 - place]))))


def _blocks(windows: Sequence[Window]) -> list[list[float]]:
    """Latencies half a second at a time, each the longest first."""
    blocks = [
        sorted(window[start : start + BLOCK], reverse=True)
        for window in windows
        for start in range(0, len(window), BLOCK)
    ]
    if not blocks:
        raise ValueError("a percentile needs latencies")
    return blocks


def _again(blocks: list[list[float]], chance: random.Random) -> list[list[float]]:
    return chance.choices(blocks, k=len(blocks))


def _p99(blocks: list[list[float]]) -> float:
    """Return the nearest rank. Only so many of each block's longest can matter."""
    count = sum(map(len, blocks))
    rank = count - math.ceil(0.99 * count) + 1
    longest = sorted((seconds for block in blocks for seconds in block[:rank]), reverse=True)
    return longest[rank - 1]
