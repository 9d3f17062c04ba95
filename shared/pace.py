"""Spreads work over time: the requests of one caller, or everything that passes one place."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_CALLERS: Final = 10_000
"""How many of the most recent callers are remembered."""


class Pace:
    """Gives each caller `per_second` turns, with a burst of `at_once`.

    A turn that begins after `max_wait_seconds` is not given.
    """

    def __init__(self, per_second: float, at_once: int, max_wait_seconds: float) -> None:
        self._interval = 1 / per_second
        self._at_once = at_once
        self._max_wait = max_wait_seconds
        self._next_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, caller: Hashable, now: float) -> float:
        """Take the caller's next turn, and return the seconds until it.

        When that is more than the longest wait, no turn is taken.
        """
        ahead = max(0.0, self._next_at.get(caller, now) - now)
        wait = max(0.0, ahead - (self._at_once - 1) * self._interval)
        if wait <= self._max_wait:
            self._next_at[caller] = now + ahead + self._interval
            self._next_at.move_to_end(caller)
            if len(self._next_at) > MAX_CALLERS:
                self._next_at.popitem(last=False)
        return wait

    def charge(self, caller: Hashable, seconds: float) -> None:
        """Delay the caller's next turns by `seconds`, because the last one cost more than usual."""
        if caller in self._next_at:
            self._next_at[caller] += seconds

    def is_too_long(self, wait: float) -> bool:
        """Return True when `wait` is too long, so that no turn was taken."""
        return wait > self._max_wait

    def __len__(self) -> int:
        return len(self._next_at)


class Throughput:
    """Lets `per_second` units through, in the order in which they come, those of `burst_seconds` at once; 0: all at once."""

    def __init__(self, per_second: int, burst_seconds: float) -> None:
        self._per_second = per_second
        self._burst_seconds = burst_seconds
        self._free_at = 0.0
        """When all that was let through is paid for, on the loop's clock."""

    async def pass_on(self, count: int) -> None:
        """Wait until `count` units may pass: until those before them are paid for."""
        if self._per_second == 0:
            return
        now = asyncio.get_running_loop().time()
        begins_at = max(self._free_at, now - self._burst_seconds)
        self._free_at = begins_at + count / self._per_second
        if begins_at > now:
            await asyncio.sleep(begins_at - now)
