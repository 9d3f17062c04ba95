"""Messaging with real PostgreSQL and Redis: with one partition, and with two."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aio_pika
import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.messaging.app import Messaging
from services.messaging.settings import Settings
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol import topology
from shared.redis import Partitions, open_partitions
from tests.support.backends import Backends
from tests.support.messaging import Gateway, Replica, Talk, eventually
from tests.support.messaging_process import SECRET, Broker
from tests.support.messaging_rest import Rest
from tests.support.redis import two_partitions

Start = Callable[..., Awaitable[Messaging]]
"""Starts a replica inside the test's process, with settings."""


@pytest.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(
        SecretStr(database_url), size=12, application_name="test", hints=postgres.INDEX_HINTS
    )
    yield opened
    await opened.close()


@pytest.fixture(params=[1, 2], ids=["one-partition", "two-partitions"])
async def partitions(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Partitions]:
    """What works with several partitions and what works with one differ: both are tested."""
    opened = open_partitions(redis_url) if request.param == 1 else two_partitions(redis_url)
    yield opened
    await opened.aclose()


@pytest.fixture
def replica(pool: postgres.Pool, partitions: Partitions) -> Replica:
    return Replica(pool, partitions)


@pytest.fixture
async def talk(replica: Replica) -> Talk:
    """Alice and Bob."""
    return await replica.talk()


@pytest.fixture
async def gateway(partitions: Partitions, redis_url: str, talk: Talk) -> AsyncIterator[Gateway]:
    """Alice and Bob are connected to it."""
    listener = Redis.from_url(redis_url)
    opened = Gateway(partitions, listener)
    await opened.open()
    await opened.plug(talk.one, talk.other)
    yield opened
    await opened.close()
    await listener.aclose()


@pytest.fixture(scope="module")
async def amqp_url(backends: Backends) -> str:
    """A virtual host with every queue, empty: the fixture `broker` declares them before a service can."""
    await backends.empty_queues()
    return backends.amqp


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        broker = Broker(await connection.channel(publisher_confirms=True))
        await broker.purge(topology.QUEUES)
        yield broker


@pytest.fixture
async def rest(pool: postgres.Pool, partitions: Partitions, database_url: str, redis_url: str) -> AsyncIterator[Rest]:
    given = Settings.model_validate(
        {
            "database_url": database_url,
            "amqp_url": "amqp://127.0.0.1:1/",
            "redis_urls": redis_url,
            "jwt_secret": SecretStr(SECRET),
            # However busy the machine is.
            "rest_wait_seconds": 60,
        }
    )
    transport = httpx.ASGITransport(Messaging(given, pool, partitions, pool).http().app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://messaging") as client:
        yield Rest(client)


@pytest.fixture
async def start(
    pool: postgres.Pool, partitions: Partitions, database_url: str, amqp_url: str, redis_url: str
) -> AsyncIterator[Start]:
    """Starts replicas inside the test's process, which end with the test."""
    supervisor = Supervisor()

    async def start_one(**settings: float) -> Messaging:
        given = Settings.model_validate(
            {
                "database_url": database_url,
                "amqp_url": amqp_url,
                "redis_urls": redis_url,
                "jwt_secret": SecretStr(SECRET),
                **settings,
            }
        )
        messaging = Messaging(given, pool, partitions, pool)
        app = messaging.http().app
        messaging.start(supervisor)
        await eventually(lambda: is_ready(app))
        return messaging

    yield start_one
    await supervisor.stop()
    assert not supervisor.failed.is_set()


async def is_ready(app: Any) -> bool:
    return (await ask(app, "/readyz")).status_code == 200


async def get(messaging: Messaging, path: str) -> httpx.Response:
    return await ask(messaging.http().app, path)


async def ask(app: Any, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://messaging") as client:
        return await client.get(path)
