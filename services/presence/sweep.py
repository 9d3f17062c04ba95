"""The sweep: ends expired leases, and announces changes that were not announced in time. It runs on every replica."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog

from services.presence import metrics
from services.presence.announcer import Announcer
from services.presence.leases import Leases, Outcome
from shared.redis import RedisError
from shared.retry import TRANSIENT_ERRORS, retry_until_available

log = structlog.get_logger(__name__)

USERS_PER_SWEEP: Final = 500
LONGEST_SECONDS: Final = 2.0
"""Longest pause, so that a server that has lost the leases is noticed soon."""
NOBODY_SECONDS: Final = 5.0
"""Longest pause while there are no leases to lose."""


class Sweep:
    """Sweeps one Redis partition. While it is away, the sweeps of the others go on."""

    def __init__(
        self, leases: Leases, announcer: Announcer, partition: int, period_seconds: float, listening: Callable[[], bool]
    ) -> None:
        self._partition = partition
        self._leases = leases
        self._announcer = announcer
        self._period = period_seconds
        self._listening = listening
        self._next_at: float | None = None

    async def run(self) -> None:
        """Sweep until cancelled. Jitter keeps replicas apart."""
        await retry_until_available("begin sweeping", lambda: self._leases.begin(self._partition))
        while True:
            await asyncio.sleep(self._pause())
            try:
                await self.once()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                # An error in one user's keys must not stop the replica's other work.
                log.warning("sweep.failed", error=repr(error))

    async def once(self) -> None:
        """Do everything that is due. Outcomes whose announcement fails are announced as overdue later."""
        more = True
        while more:
            more, ended, self._next_at = await self._leases.sweep(
                self._partition, USERS_PER_SWEEP, listening=self._listening()
            )
            metrics.EXPIRED.inc(len(ended))
            await self._announce(ended)
        if self._next_at is None or self._next_at > self._leases.clock():
            return
        overdue = await self._leases.overdue(self._partition, USERS_PER_SWEEP)
        metrics.OVERDUE.inc(len(overdue))
        await self._announce(overdue)

    def _pause(self) -> float:
        """Return the pause until something is due, but no longer than the time after which a new lease could be due."""
        most = NOBODY_SECONDS if self._next_at is None else LONGEST_SECONDS
        shortest, longest = self._period, min(self._leases.soonest_seconds, most)
        wanted = longest if self._next_at is None else (self._next_at - self._leases.clock()) / 1000
        return max(shortest, min(wanted, longest)) * random.uniform(0.5, 1.0)  # noqa: S311

    async def _announce(self, outcomes: list[Outcome]) -> None:
        await self._announcer.announce(outcomes, await self._announcer.friends_of(outcomes))
