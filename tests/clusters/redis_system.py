"""The system on one of Redis' topologies; PostgreSQL and RabbitMQ are single servers that run already."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forks import launch
from tools.stack import ladder
from tools.stack.home import Home
from tools.stack.plan import PREFIX
from tools.stack.ports import PortBook
from tools.stack.stack import Stack as LocalStack

SETTINGS = {"CHAT_MESSAGES_PER_MINUTE": "6000"}


@dataclass(frozen=True)
class Servers:
    """URLs of the backends."""

    database: str
    amqp: str
    redis: str


@dataclass(frozen=True)
class RedisSystem:
    """`urls`: `database` and `redis`, for those who check."""

    url: str
    urls: Mapping[str, str]


@asynccontextmanager
async def running(folder: Path, environment: Mapping[str, str], servers: Servers) -> AsyncIterator[RedisSystem]:
    """Start the services in `folder`, on these servers. Raises StackError."""
    plain = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    home = Home(folder)
    settings = {
        **SETTINGS,
        "STACK_BACKENDS": "native",
        ladder.DATABASE.variable: servers.database,
        ladder.AMQP.variable: servers.amqp,
        ladder.REDIS.variable: servers.redis,
        "CHAT_PORT": str(PortBook(home).port("haproxy")),
    }
    services = LocalStack(home, {**plain, **settings}, tied=True, launch=launch)
    try:
        await services.up()
        yield RedisSystem(services.url, {"database": servers.database, "redis": servers.redis})
    finally:
        await asyncio.shield(services.down())
