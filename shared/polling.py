"""When to look again for work that nobody announces: soon while there is some, later while there is none, at once when told."""

import asyncio
import random
from typing import Final

GROWTH: Final = 1.5
"""Each look that finds nothing makes the next pause so many times as long."""


class Polling:
    """Pauses between looks, from `soonest_seconds` to `latest_seconds`; jitter keeps replicas apart."""

    def __init__(self, soonest_seconds: float, latest_seconds: float) -> None:
        self._soonest = soonest_seconds
        self._latest = latest_seconds
        self._seconds = soonest_seconds
        self._told = asyncio.Event()

    @property
    def seconds(self) -> float:
        """The longest that the next pause can be."""
        return self._seconds

    def found(self) -> None:
        """There was work: more may follow."""
        self._seconds = self._soonest

    def tell(self) -> None:
        """There is work: end the pause."""
        self._told.set()

    async def pause(self) -> None:
        """Wait until the next look."""
        try:
            async with asyncio.timeout(random.uniform(0.5, 1.0) * self._seconds):  # noqa: S311
                await self._told.wait()
        except TimeoutError:
            self._seconds = min(self._seconds * GROWTH, self._latest)
        self._told.clear()
