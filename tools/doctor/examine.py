"""Runs all checks in parallel. Each has its own time limit, and a failed one doesn't affect others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiormq.exceptions import AMQPError
from asyncpg import PostgresError

from shared.redis import DEFAULT_PARTITIONS, RedisError, open_partitions
from shared.settings import ServiceSettings
from tools.doctor import broker, cache, clocks, database, push, services, settings, store
from tools.doctor.findings import Finding, Report
from tools.doctor.situation import Situation

SECONDS: Final = 30.0
"""Time limit of one check. Every wait inside a check is shorter."""
REMEDIES: Final = {
    "PostgreSQL": "does it run, is CHAT_DATABASE_URL right, and may this machine reach it?",
    "RabbitMQ": "does it run, is CHAT_AMQP_URL right, and may this machine reach it?",
    "Redis": "does it run, is CHAT_REDIS_URLS right, and may this machine reach it?",
}


async def examine(found: Situation, classes: Mapping[str, type[ServiceSettings]]) -> list[Finding]:
    """Return all findings, part by part. Raises ValueError for an invalid Redis URL."""
    count = int(found.setting("CHAT_REDIS_PARTITIONS") or DEFAULT_PARTITIONS)
    queues = int(found.setting("CHAT_COMMAND_QUEUES") or 1)
    partitions = open_partitions(found.redis_urls, count)
    parts: dict[str, Callable[[Report], Awaitable[None]]] = {
        "settings": lambda report: _settings(report, found, classes),
        "PostgreSQL": lambda report: database.examine(report, found.database_url),
        "Redis": lambda report: cache.examine(report, partitions),
        "RabbitMQ": lambda report: broker.examine(report, found.amqp_url, queues),
        "clocks": lambda report: clocks.examine(report, found.database_url, partitions),
        "pushes": lambda report: push.examine(report, found.database_url, found.setting("CHAT_VAPID_PRIVATE_KEY")),
        "services": lambda report: services.examine(report, found),
        "uploads": lambda report: store.examine(
            report, found.setting("CHAT_UPLOAD_STORE"), found.setting("CHAT_UPLOAD_STORE_OPTIONS")
        ),
    }
    try:
        reports = await asyncio.gather(*(_run(name, part) for name, part in parts.items()))
    finally:
        await partitions.aclose()
    return [finding for report in reports for finding in report.findings]


async def _settings(report: Report, found: Situation, classes: Mapping[str, type[ServiceSettings]]) -> None:
    settings.examine(report, found, classes)


async def _run(name: str, part: Callable[[Report], Awaitable[None]]) -> Report:
    report = Report(name)
    try:
        async with asyncio.timeout(SECONDS):
            await part(report)
    except TimeoutError:
        report.fault("no answer in time", REMEDIES.get(name, "look at the other parts first"))
    except (OSError, PostgresError, RedisError, AMQPError) as error:
        report.fault(f"{type(error).__name__}: {error}", REMEDIES.get(name, "look at the other parts first"))
    return report
