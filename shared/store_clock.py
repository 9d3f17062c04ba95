"""The time by Redis' clock, so that machines with different clocks decide in the same way.

Timestamps that one process sets and another compares come from here: signs of life, typing, times of requests, and the expiry of
tokens. A machine's own clock is used for durations (monotonic), and for times that only people read.
"""

import math
import time
from collections.abc import Callable
from typing import Final

import structlog

from shared import telemetry
from shared.redis import REDIS_ERRORS, Partitions
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
FIRST_COMPARISONS: Final = 5
"""At the start, several in a row: the quickest reply tells most."""
MAX_ROUND_TRIP_SECONDS: Final = 0.5
"""A slower reply says nothing of use."""
DRIFT: Final = 0.0005
"""Two clocks drift apart by less than this, in seconds per second: time services correct a clock no faster."""
NOTABLE_SECONDS: Final = 5.0
"""When a machine's clock is off by more, a warning is logged, and an alert fires (`ChatClockOff`)."""


class Difference:
    """The range in which the difference of two clocks must lie, by all comparisons.

    A reply's time was read somewhere between the request and the reply. On a busy machine that can be 100 ms, and then the range
    that an earlier, quicker reply left is still the better one.
    """

    def __init__(self) -> None:
        self._lowest, self._highest = -math.inf, math.inf
        self._learned_at = 0.0
        self.seconds = 0.0
        """The middle of the range."""

    def learn(self, lowest: float, highest: float, at: float) -> None:
        """Take a comparison into account. `at`: monotonic seconds."""
        drifted = (at - self._learned_at) * DRIFT
        self._learned_at = at
        low, high = max(lowest, self._lowest - drifted), min(highest, self._highest + drifted)
        # Otherwise one of the clocks was set.
        self._lowest, self._highest = (low, high) if low <= high else (lowest, highest)
        self.seconds = (self._lowest + self._highest) / 2


class StoreClock:
    """Knows the difference between this machine's clock and Redis' clock; it is 0 until the first reply.

    In a cluster, the clock of the first partition's master counts.
    """

    def __init__(self, partitions: Partitions, own: Callable[[], float] = time.time) -> None:
        self._partitions = partitions
        self._own = own
        self._ahead = Difference()

    def now(self) -> float:
        """Return Unix seconds by Redis' clock."""
        return self._own() + self._ahead.seconds

    def now_ms(self) -> int:
        """Return Unix milliseconds by Redis' clock."""
        return int(self.now() * 1000)

    async def run(self) -> None:
        """Compare the clocks at regular intervals. Never returns."""
        comparisons = FIRST_COMPARISONS
        while True:
            try:
                for _ in range(comparisons):
                    await self.compare()
                comparisons = 1
            except REDIS_ERRORS as error:
                log.info("clock.not_read", error=repr(error))
            await next_tick(PERIOD_SECONDS)

    async def compare(self) -> None:
        """Compare them now. Raises RedisError, OSError or TimeoutError."""
        asked, began = self._own(), time.monotonic()
        seconds, microseconds = await self._partitions.at(0).client.time()
        ended = time.monotonic()
        if ended - began > MAX_ROUND_TRIP_SECONDS:
            return
        highest = seconds + microseconds / 1e6 - asked
        self._ahead.learn(highest - (ended - began), highest, ended)
        telemetry.CLOCK_OFFSET.set(-self._ahead.seconds)
        if abs(self._ahead.seconds) > NOTABLE_SECONDS:
            log.warning("clock.off", seconds=round(-self._ahead.seconds, 3))
