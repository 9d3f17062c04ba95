"""Holding on: what needs a backend that is away is tried again until it is back, so nothing in hand is lost or requeued."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from shared import postgres, rabbitmq, redis

log = structlog.get_logger(__name__)

T = TypeVar("T")

WARN_SECONDS: Final = 1.0
"""Hundreds of notifications wait for one backend: one of them says so."""
_warned_at: Final[dict[str, float]] = {}

LONGEST_SECONDS: Final = 3.0
TRANSIENT_ERRORS: Final = (
    *postgres.TRANSIENT_ERRORS,
    *redis.TRANSIENT_ERRORS,
    *rabbitmq.TRANSIENT_ERRORS,
    rabbitmq.BrokerUnavailable,
)


async def patiently(what: str, work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`, tried with full-jitter backoff until no backend is away. Raises what isn't transient."""
    attempt = 0
    while True:
        try:
            return await work()
        except TRANSIENT_ERRORS as error:
            attempt = min(attempt + 1, 6)
            _warn(what, error)
        await asyncio.sleep(random.uniform(0.05, min(LONGEST_SECONDS, 0.1 * 2**attempt)))  # noqa: S311


def _warn(what: str, error: Exception) -> None:
    now = time.monotonic()
    if now - _warned_at.get(what, -WARN_SECONDS) >= WARN_SECONDS:
        _warned_at[what] = now
        log.warning("backend.unavailable", work=what, error=repr(error))
