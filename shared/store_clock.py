"""The time by Redis' clock, so that machines whose own clocks differ decide alike.

Times that one process stamps and another compares come from here: when a connection lived, when a user typed or asked, whether
a token has ended. A machine's own clock is right for durations, which are monotonic, and for what only people read.
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
"""A slower answer says too little of the time."""
NOTABLE_SECONDS: Final = 5.0
"""A machine whose clock is off by more says so, and an alert fires (`ChatClockOff`)."""


class StoreClock:
    """Knows how far this machine's clock is from that of Redis; until the first answer, it takes its own for right.

    Of a cluster, the clock of the first partition's master counts.
    """

    def __init__(self, partitions: Partitions, own: Callable[[], float] = time.time) -> None:
        self._partitions = partitions
        self._own = own
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._own() + self._ahead_seconds

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.now() * 1000)

    async def run(self) -> None:
        """Compare the clocks from time to time. Never returns."""
        while True:
            try:
                await self.compare()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.info("clock.unknown", error=repr(error))
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
