"""Redis servers that are away: users whose keys lie elsewhere don't wait for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis

from services.presence.outage import TRANSIENT_ERRORS
from shared.redis import RedisError, Shards

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS: Final = 2.0
"""A server that takes longer to answer is away."""
PROBE_SECONDS: Final = 0.5


class Servers:
    """Knows who is away. What could not be done is done when `watch` finds the server back."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._away: set[int] = set()

    async def reach(self, index: int, work: Callable[[Redis], Awaitable[T]]) -> T | None:
        """What `work` returns with the client of a server, or None when that is away. Raises its other errors."""
        if index in self._away:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await work(self._shards.at(index))
        except TRANSIENT_ERRORS as error:
            log.warning("server.away", server=index, error=repr(error))
            self._away.add(index)
            return None

    async def watch(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Look for those that are back, and `settle` what is owed. Never returns."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            back = [index for index in list(self._away) if await self._answers(index)]
            self._away.difference_update(back)
            if back or not self._away:
                try:
                    await settle()
                except RedisError as error:
                    log.warning("settling.failed", error=repr(error))

    async def _answers(self, index: int) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._shards.at(index).ping()
        except (*TRANSIENT_ERRORS, RedisError):
            return False
        return True
