"""The time by Redis' clock, so that gateways whose own clocks differ stamp commands alike."""

import asyncio
import time
from typing import Final

import structlog

from services.gateway import metrics
from shared.redis import TRANSIENT_ERRORS, RedisError, Shards

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 10.0
MAX_ROUND_TRIP_SECONDS: Final = 0.5
"""A slower answer says too little of the time."""
NOTABLE_SECONDS: Final = 5.0
"""A gateway whose clock is off by more says so."""


class StoreClock:
    """Knows how far this machine's clock is from that of Redis; until the first answer, not at all."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._ahead_seconds = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self._ahead_seconds

    async def run(self) -> None:
        """Compare the clocks from time to time. Never returns."""
        while True:
            try:
                await self.compare()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.info("clock.unknown", error=repr(error))
            await asyncio.sleep(PERIOD_SECONDS)

    async def compare(self) -> None:
        """Compare them now. Raises RedisError, OSError or TimeoutError."""
        asked, began = time.time(), time.monotonic()
        seconds, microseconds = await self._shards.at(0).client.time()
        round_trip = time.monotonic() - began
        if round_trip > MAX_ROUND_TRIP_SECONDS:
            return
        self._ahead_seconds = seconds + microseconds / 1e6 - (asked + round_trip / 2)
        metrics.CLOCK_OFFSET.set(-self._ahead_seconds)
        if abs(self._ahead_seconds) > NOTABLE_SECONDS:
            log.warning("clock.off", seconds=round(-self._ahead_seconds, 3))
