"""Tracks Redis partitions that are away, so that users on other partitions don't wait for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import structlog

from shared.redis import REDIS_ERRORS, Partition, Partitions, RedisError
from shared.retry import is_transient
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_SECONDS: Final = 2.0
"""A partition that takes longer to answer counts as away."""
PROBE_SECONDS: Final = 1.0


class PartitionHealth:
    """Which partitions are away. `watch` notices when one is back, and then starts the work that had to wait."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._away: set[int] = set()

    async def reach(self, index: int, calls: Iterable[Callable[[Partition], Awaitable[T]]]) -> list[T] | None:
        """Make `calls` to a partition, one after the other. Returns their results, or None when it is away.

        Each call has `ANSWER_SECONDS`: many of them may take longer together. Raises all other errors.
        """
        results: list[T] = []
        for call in calls:
            if index in self._away:
                return None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    results.append(await call(self._partitions.at(index)))
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("partition.away", partition=index, error=repr(error))
                self._away.add(index)
                return None
        return results

    async def watch(self, resend: Callable[[], Awaitable[None]]) -> None:
        """Probe partitions that are away, and call `resend` when one is back. Never returns."""
        while True:
            await next_tick(PROBE_SECONDS)
            back = [index for index in list(self._away) if await self._answers(index)]
            self._away.difference_update(back)
            if back or not self._away:
                try:
                    await resend()
                except RedisError as error:
                    log.warning("snapshots.not_resent", error=repr(error))

    async def _answers(self, index: int) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                partition = self._partitions.at(index)
                await partition.client.exists(partition.key("ping"))
        except REDIS_ERRORS:
            return False
        return True
