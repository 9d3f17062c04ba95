"""Waiting for a condition."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.1


async def eventually(ask: Callable[[], Awaitable[T]], seconds: float, poll_seconds: float = POLL_SECONDS) -> T:
    """Ask until the answer is something true, and return that. Raises TimeoutError."""
    async with asyncio.timeout(seconds) as limit:
        while True:
            answer = await ask()
            if answer:
                return answer
            if limit.expired():
                # What was asked swallowed the cancellation.
                raise TimeoutError
            await asyncio.sleep(poll_seconds)
