"""Retries work while a backend is away, until PostgreSQL, Redis and RabbitMQ are back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from shared import postgres, rabbitmq, redis, telemetry

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 2.0
WARN_SECONDS: Final = 1.0
"""Shortest time between two log lines of the same work, because hundreds of notifications may wait for one backend."""

TRANSIENT_ERRORS: Final = (
    *postgres.TRANSIENT_ERRORS,
    *redis.TRANSIENT_ERRORS,
    *rabbitmq.TRANSIENT_ERRORS,
    rabbitmq.BrokerUnavailable,
)
"""Classes of transient errors; `is_transient` decides."""

_warned_at: Final[dict[str, float]] = {}


def is_transient(error: BaseException) -> bool:
    """Return True when the same work may succeed later.

    asyncpg raises InterfaceError for a closed connection, and also for a value that it can't encode. The latter is also a
    ValueError, and isn't transient.
    """
    if isinstance(error, ValueError):
        return False
    return isinstance(error, TRANSIENT_ERRORS) or redis.is_transient(error)


async def retry_until_available(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `work`. While a backend is away, try again, with jitter. Raises all other errors.

    `name` is the name of the work in logs and metrics. Only success, another error or cancellation ends the wait: callers hold an
    unacknowledged AMQP message, and the prefetch limits how many there are.
    """
    pause = FIRST_PAUSE_SECONDS
    held = None
    try:
        while True:
            try:
                return await work()
            except Exception as error:
                if not is_transient(error):
                    raise
                _note(name, error)
            if held is None:
                held = telemetry.WORK_HELD.labels(name)
                held.inc()
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
    finally:
        if held is not None:
            held.dec()


def _note(name: str, error: Exception) -> None:
    """Count the failure, and log it unless another of the same work was logged within the last second."""
    telemetry.WORK_RETRIES.labels(name).inc()
    now = time.monotonic()
    if now - _warned_at.get(name, -WARN_SECONDS) >= WARN_SECONDS:
        _warned_at[name] = now
        log.warning("work.held", work=name, error=repr(error))
