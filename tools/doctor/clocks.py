"""Compares this machine's clock with those of Redis and PostgreSQL."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from shared.postgres import Connection, connect, parse
from shared.redis import Partitions
from shared.store_clock import NOTABLE_SECONDS
from tools.doctor.findings import Report

ROUNDS: Final = 3
"""Several rounds, because the first answer includes the time to connect."""
REMEDY: Final = "look at the time services of both machines: `timedatectl`, `chronyc tracking`"


async def examine(report: Report, database_url: str, partitions: Partitions) -> None:
    """Compare the clocks. Raises what asyncpg and redis raise."""
    redis = partitions.at(0).client
    connection = await connect(parse(database_url), application_name="chatctl")
    try:
        redis_ahead = await _ahead(lambda: _redis_time(redis))
        database_ahead = await _ahead(lambda: _database_time(connection))
    finally:
        await connection.close()
    for text, seconds_off in (
        ("this machine's clock and that of Redis", redis_ahead),
        ("this machine's clock and that of PostgreSQL", database_ahead),
        ("the clocks of Redis and PostgreSQL", redis_ahead - database_ahead),
    ):
        report.judge(
            f"{text} differ by {abs(seconds_off):.1f} s",
            f"{text} differ by {abs(seconds_off):.1f} s" if abs(seconds_off) > NOTABLE_SECONDS else None,
            REMEDY,
        )


async def _ahead(read: Callable[[], Awaitable[float]]) -> float:
    """Return how many seconds a clock is ahead of this machine's, from the fastest of some answers."""
    found = []
    for _ in range(ROUNDS):
        began, asked = time.monotonic(), time.time()
        theirs = await read()
        took = time.monotonic() - began
        found.append((took, theirs - asked - took / 2))
    return min(found)[1]


async def _redis_time(redis: Redis) -> float:
    seconds, microseconds = await redis.time()
    return float(seconds + microseconds / 1e6)


async def _database_time(connection: Connection) -> float:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now.timestamp()
