"""Backends that are away: what is in hand is held and tried again until they are back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.exceptions import OutOfMemoryError

from services.presence import metrics
from shared import postgres, redis

log = structlog.get_logger(__name__)

TRANSIENT_ERRORS: Final = (*postgres.TRANSIENT_ERRORS, *redis.TRANSIENT_ERRORS, OutOfMemoryError)
"""Errors after which the same work may succeed."""
MAX_PAUSE_SECONDS: Final = 2.0


async def outlast(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, again and again with jitter while backends are away. Raises its other errors."""
    held = metrics.HELD.labels(name)
    pause = 0.05
    try:
        while True:
            try:
                await work()
            except TRANSIENT_ERRORS as error:
                held.set(1)
                log.warning("work.held", work=name, error=repr(error))
            else:
                return
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
    finally:
        held.set(0)
