"""The sweep: removes expired leases, and announces changes that were not announced in time. Runs on every replica."""

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


class Sweep:
    """Sweeps one Redis partition: while that is away, the others are swept."""

    def __init__(
        self, leases: Leases, announcer: Announcer, partition: int, period_seconds: float, listening: Callable[[], bool]
    ) -> None:
        self._partition = partition
        self._leases = leases
        self._announcer = announcer
        self._period = period_seconds
        self._listening = listening

    async def run(self) -> None:
        """Sweep until cancelled. Jitter keeps replicas apart."""
        await retry_until_available("begin sweeping", lambda: self._leases.begin(self._partition))
        while True:
            await asyncio.sleep(self._period * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                await self.once()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                # A fault in one user's keys must not stop the replica's other work.
                log.warning("sweep.failed", error=repr(error))

    async def once(self) -> None:
        """Do everything that is due. Outcomes whose announcement fails are announced as overdue later."""
        more = True
        while more:
            more, ended = await self._leases.sweep(self._partition, USERS_PER_SWEEP, listening=self._listening())
            metrics.EXPIRED.inc(len(ended))
            await self._announce(ended)
        overdue = await self._leases.overdue(self._partition, USERS_PER_SWEEP)
        metrics.OVERDUE.inc(len(overdue))
        await self._announce(overdue)

    async def _announce(self, outcomes: list[Outcome]) -> None:
        await self._announcer.announce(outcomes, await self._announcer.friends_of(outcomes))
