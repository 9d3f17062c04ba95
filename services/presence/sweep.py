"""The sweep: ended leases are taken away, and changes that nobody announced in time are announced. Runs on every replica."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog

from services.presence import metrics
from services.presence.announcer import Announcer
from services.presence.leases import Leases, Outcome
from services.presence.outage import TRANSIENT_ERRORS
from shared.redis import RedisError

log = structlog.get_logger(__name__)

USERS_PER_SWEEP: Final = 500


class Sweep:
    """Looks for what time has brought, on one Redis server: while that is away, the others are swept."""

    def __init__(
        self, leases: Leases, announcer: Announcer, server: int, period_seconds: float, listening: Callable[[], bool]
    ) -> None:
        self._server = server
        self._leases = leases
        self._announcer = announcer
        self._period = period_seconds
        self._listening = listening

    async def run(self) -> None:
        """Sweep for ever. Jitter keeps replicas apart."""
        while True:
            await asyncio.sleep(self._period * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                await self.once()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                # A fault in one user's keys must not keep a replica from its other work.
                log.warning("sweep.failed", error=repr(error))

    async def once(self) -> None:
        """Do all that is due. What fails between taking and telling is told as overdue."""
        more = True
        while more:
            more, ended = await self._leases.sweep(self._server, USERS_PER_SWEEP, listening=self._listening())
            metrics.EXPIRED.inc(len(ended))
            await self._tell(ended)
        overdue = await self._leases.overdue(self._server, USERS_PER_SWEEP)
        metrics.OVERDUE.inc(len(overdue))
        await self._tell(overdue)

    async def _tell(self, outcomes: list[Outcome]) -> None:
        await self._announcer.announce(outcomes, await self._announcer.circles(outcomes))
