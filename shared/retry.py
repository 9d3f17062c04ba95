"""Hold the work while a backend is away: what is in hand is tried again until PostgreSQL, Redis and RabbitMQ are back."""

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
"""Hundreds of notifications may wait for one backend: one of them says so."""

TRANSIENT_ERRORS: Final = (
    *postgres.TRANSIENT_ERRORS,
    *redis.TRANSIENT_ERRORS,
    *rabbitmq.TRANSIENT_ERRORS,
    rabbitmq.BrokerUnavailable,
)
"""Classes of the errors that pass; `is_transient` decides."""

_warned_at: Final[dict[str, float]] = {}


def is_transient(error: BaseException) -> bool:
    """True when the same work may succeed later.

    asyncpg's complaint of a value that it can't encode is an InterfaceError, as that of a closed connection is. It is also
    a ValueError, and never goes away.
    """
    if isinstance(error, ValueError):
        return False
    return isinstance(error, TRANSIENT_ERRORS) or redis.is_transient(error)


async def retry_until_available(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns, tried with jitter for as long as a backend is away. Raises its other errors.

    `name` says in logs and metrics what waits. Nothing ends the wait but success, another error, or cancellation: whoever
    calls this holds an AMQP message that is not acknowledged, and prefetch bounds how many of them there are.
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
