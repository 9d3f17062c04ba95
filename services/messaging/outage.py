"""Backends that are away: what is in hand is held, and tried again until they are back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from redis.exceptions import OutOfMemoryError, ResponseError

from services.messaging import metrics
from shared import postgres, rabbitmq, redis

log = structlog.get_logger(__name__)

T = TypeVar("T")

_TRANSIENT: Final = (
    *postgres.TRANSIENT_ERRORS,
    *redis.TRANSIENT_ERRORS,
    *rabbitmq.TRANSIENT_ERRORS,
    rabbitmq.BrokerUnavailable,
    OutOfMemoryError,
)
_REDIS_CANNOT_WRITE: Final = ("MISCONF", "NOREPLICAS", "MASTERDOWN")
"""How Redis' answers begin while it can't store anything: its disk is full, or its replicas are away."""
FIRST_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 2.0


def is_transient(error: Exception) -> bool:
    """True when the same work may succeed later. asyncpg's complaint of a value that it can't encode is an
    InterfaceError too, but also a ValueError, and never goes away.
    """
    if isinstance(error, ResponseError) and str(error).startswith(_REDIS_CANNOT_WRITE):
        return True
    return isinstance(error, _TRANSIENT) and not isinstance(error, ValueError)


async def outlast(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns, tried with jitter for as long as backends are away. Raises its other errors."""
    pause = FIRST_PAUSE_SECONDS
    try:
        while True:
            try:
                return await work()
            except Exception as error:
                if not is_transient(error):
                    raise
                metrics.HELD.set(1)
                metrics.HOLDS.inc()
                log.warning("cycle.held", error=repr(error))
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
    finally:
        metrics.HELD.set(0)
