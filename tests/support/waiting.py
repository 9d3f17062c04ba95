"""Waiting for a condition."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.1


async def eventually(ask: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Return when the answer is yes. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await ask():  # noqa: ASYNC110 - what is asked tells nobody
            await asyncio.sleep(POLL_SECONDS)
