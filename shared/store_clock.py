"""The time by Redis' clock, so that machines with different clocks decide in the same way.

Timestamps that one process sets and another compares come from here: signs of life, typing, times of requests, and the expiry of
tokens. A machine's own clock is used for durations (monotonic), and for times that only people read.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

from shared import telemetry
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
MAX_ROUND_TRIP_SECONDS: Final = 0.5
"""After a slower reply, its time is too inaccurate."""
NOTABLE_SECONDS: Final = 5.0
"""When a machine's clock is off by more, a warning is logged, and an alert fires (`ChatClockOff`)."""


class StoreClock:
    """Knows the difference between this machine's clock and Redis' clock; it is 0 until the first reply.

    In a cluster, the clock of the first partition's master counts.
    """

    def __init__(self, partitions: Partitions, own: Callable[[], float] = time.time) -> None:
        self._partitions = partitions
        self._own = own
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Return Unix seconds by Redis' clock."""
        return self._own() + self._ahead_seconds

    def now_ms(self) -> int:
        """Return Unix milliseconds by Redis' clock."""
        return int(self.now() * 1000)

    async def run(self) -> None:
        """Compare the clocks at regular intervals. Never returns."""
        while True:
            try:
                await self.compare()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.info("clock.not_read", error=repr(error))
            await next_tick(PERIOD_SECONDS)

    async def compare(self) -> None:
        """Compare them now. Raises RedisError, OSError or TimeoutError."""
        asked, began = self._own(), time.monotonic()
        seconds, microseconds = await self._partitions.at(0).client.time()
        round_trip = time.monotonic() - began
        if round_trip > MAX_ROUND_TRIP_SECONDS:
            return
        self._ahead_seconds = seconds + microseconds / 1e6 - (asked + round_trip / 2)
        telemetry.CLOCK_OFFSET.set(-self._ahead_seconds)
        if abs(self._ahead_seconds) > NOTABLE_SECONDS:
            log.warning("clock.off", seconds=round(-self._ahead_seconds, 3))
