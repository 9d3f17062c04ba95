"""Spreads what one asker wants over time: some at once, the others one after the other."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_ASKERS: Final = 10_000
"""Of those who asked last."""


class Pace:
    """Gives each asker `per_second` turns, `at_once` of them without waiting, none that comes after `max_wait_seconds`."""

    def __init__(self, per_second: float, at_once: int, max_wait_seconds: float) -> None:
        self._interval = 1 / per_second
        self._at_once = at_once
        self._max_wait = max_wait_seconds
        self._next_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, asker: Hashable, now: float) -> float:
        """In how many seconds the asker's next turn comes. More than the longest wait takes no turn."""
        ahead = max(0.0, self._next_at.get(asker, now) - now)
        wait = max(0.0, ahead - (self._at_once - 1) * self._interval)
        if wait <= self._max_wait:
            self._next_at[asker] = now + ahead + self._interval
            self._next_at.move_to_end(asker)
            if len(self._next_at) > MAX_ASKERS:
                self._next_at.popitem(last=False)
        return wait

    def charge(self, asker: Hashable, seconds: float) -> None:
        """Put off the asker's next turns: the last one cost more than others."""
        if asker in self._next_at:
            self._next_at[asker] += seconds

    def is_too_long(self, wait: float) -> bool:
        """True when there is no turn in time."""
        return wait > self._max_wait

    def __len__(self) -> int:
        return len(self._next_at)
