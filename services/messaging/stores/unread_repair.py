"""Compares unread counts in Redis with PostgreSQL, for a sample of active users, and repairs differences."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog

from services.messaging import metrics
from services.messaging.stores.unread import UnreadCounts
from shared.retry import is_transient

log = structlog.get_logger(__name__)

REMEMBERED_USERS: Final = 512
USERS_OF_A_CYCLE: Final = 4
USERS_OF_A_SAMPLE: Final = 16
SETTLING_SECONDS: Final = 2.0
"""A count that still differs after this time is wrong; before, a message may just be under way."""


class UnreadRepair:
    """Samples among the users that `note` was called for recently."""

    def __init__(self, counts: UnreadCounts, period_seconds: float, settling_seconds: float = SETTLING_SECONDS) -> None:
        self._counts = counts
        self._period_seconds = period_seconds
        self._settling_seconds = settling_seconds
        self._active: deque[str] = deque(maxlen=REMEMBERED_USERS)

    def note(self, user_ids: Iterable[str]) -> None:
        """Note that these users' counts have just changed. A few of them are remembered."""
        self._active.extend(user_id for _, user_id in zip(range(USERS_OF_A_CYCLE), user_ids, strict=False))

    async def run(self) -> None:
        """Sample from time to time. Never returns."""
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * self._period_seconds)  # noqa: S311
            try:
                await self.sample()
            except Exception as error:
                if not is_transient(error):
                    raise

    async def sample(self) -> int:
        """Compare some users' counts. Returns for how many users they were wrong. Raises what asyncpg and redis raise."""
        active = list(set(self._active))
        self._active.clear()
        chosen = random.sample(active, min(len(active), USERS_OF_A_SAMPLE))
        suspects = {user_id: found for user_id in chosen if (found := await self._counts.compare(user_id))}
        metrics.SAMPLED.inc(len(chosen))
        wrong = 0
        if suspects:
            await asyncio.sleep(self._settling_seconds)
        for user_id, before in suspects.items():
            # When the differences have changed, the user is still getting messages: no result yet.
            if await self._counts.compare(user_id) == before:
                wrong += 1
                metrics.DRIFT.inc()
                log.error("unread.differed", user_id=user_id, differences=before)
                await self._counts.rebuild([user_id], force=True)
        return wrong
