"""Waiting for a condition."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.1


async def eventually(ask: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Return when the answer is yes. Raises TimeoutError."""
    async with asyncio.timeout(seconds) as limit:
        while not await ask():
            if limit.expired():
                # What was asked swallowed the cancellation.
                raise TimeoutError
            await asyncio.sleep(POLL_SECONDS)
