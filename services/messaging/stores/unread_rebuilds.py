"""Rebuilds the unread counts of users with many conversations in the background, while cycles go on."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.messaging.stores.unread import UnreadCounts
from shared.retry import is_transient

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 10_000
"""Users who wait for a rebuild. A user beyond this limit is asked for again by the next event."""


class UnreadRebuilds:
    """Runs one rebuild after another. A cycle calls `of_cycle`; `run` does what that left."""

    def __init__(self, counts: UnreadCounts) -> None:
        self._counts = counts
        self._waiting: dict[str, None] = {}
        self._any_waiting = asyncio.Event()

    async def of_cycle(self, user_ids: Sequence[str]) -> dict[str, int]:
        """Copy the counts of users with few conversations to Redis.

        Return the totals of the others, and rebuild them later. Raises what asyncpg and redis raise.
        """
        totals = await self._counts.rebuild_or_total(user_ids)
        for user_id in totals:
            if len(self._waiting) < MAX_WAITING:
                self._waiting[user_id] = None
                self._any_waiting.set()
        return totals

    async def run(self) -> None:
        """Rebuild the waiting users. Never returns."""
        while True:
            await self._any_waiting.wait()
            await self.once()

    async def once(self) -> None:
        """Rebuild the users who wait now. When a backend is away, a user is left to the next event."""
        while self._waiting:
            user_id = next(iter(self._waiting))
            try:
                await self._counts.rebuild([user_id])
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("unread.not_rebuilt", user_id=user_id, error=repr(error))
            finally:
                self._waiting.pop(user_id, None)
        self._any_waiting.clear()
