"""A notifier with real backends and a push service that decrypts."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import httpx
import jwt
import pytest
from aio_pika.abc import AbstractChannel
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from services.notifier.app import Notifier
from services.notifier.settings import NotifierSettings
from services.notifier.webpush.vapid import VapidKey
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_UNDELIVERED, QUEUES, Queue
from shared.rabbitmq import declare
from shared.redis import open_partitions
from tests.support.backends import Backends
from tests.support.push_service import Browser, PushService, push_service

SECRET = "integration-test-secret-0123456789abcdef"
KEY = VapidKey.generate()
OWN_QUEUES = [queue for queue in QUEUES if queue.name.startswith("notifier.")]


@dataclass
class Running:
    """A notifier under test. `pool` and `redis` are for looking at what it did."""

    notifier: Notifier
    pool: postgres.Pool
    redis: Redis
    supervisor: Supervisor

    async def call(self, method: str, path: str, user_id: str | None, body: Any = None) -> httpx.Response:
        """A REST call, with a token of the user unless that is None."""
        headers = {}
        if user_id is not None:
            claims = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + 600}
            headers["Authorization"] = f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"
        transport = httpx.ASGITransport(self.notifier.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
            return await client.request(method, path, headers=headers, json=body)

    async def call_raw(self, method: str, path: str, user_id: str, body: bytes) -> httpx.Response:
        """A REST call whose JSON body is given as bytes."""
        token = jwt.encode({"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + 600}, SECRET, "HS256")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        transport = httpx.ASGITransport(self.notifier.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier") as client:
            return await client.request(method, path, headers=headers, content=body)

    async def subscribe(self, user_id: str, *browsers: Browser) -> None:
        """Register browsers of a user."""
        for browser in browsers:
            response = await self.call("PUT", "/chat/push/subscriptions", user_id, browser.subscription)
            assert response.status_code == 204, response.text

    async def endpoints(self, user_id: str) -> set[str]:
        """The user's endpoints in the database."""
        sql = "SELECT endpoint FROM notifier.subscriptions WHERE user_id = $1"
        return {row["endpoint"] for row in await self.pool.fetch(sql, user_id)}


@dataclass
class Broker:
    """Publishes to the notifier's queues."""

    channel: AbstractChannel

    async def publish(self, queue: Queue, body: bytes) -> None:
        """Publish with confirm."""
        await self.channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue.name)

    async def undelivered(self, *messages: relay.Undelivered) -> None:
        """Report messages as due for a push."""
        await self.publish(NOTIFIER_UNDELIVERED, msgpack_encoder.encode(relay.UndeliveredBatch(list(messages))))

    async def count(self, queue: Queue) -> int:
        """Messages that are ready in a queue."""
        declared = await self.channel.declare_queue(queue.name, passive=True)
        return declared.declaration_result.message_count or 0

    async def consumers(self, queue: Queue) -> int:
        """Consumers of a queue."""
        declared = await self.channel.declare_queue(queue.name, passive=True)
        return declared.declaration_result.consumer_count or 0

    async def wait_for(self, queue: Queue, count: int) -> None:
        """Wait until that many are ready in a queue. Raises TimeoutError."""
        async with asyncio.timeout(60):
            while await self.count(queue) != count:  # noqa: ASYNC110 - a queue's length can only be asked for
                await asyncio.sleep(0.02)


def counted(name: str, **labels: str) -> float:
    """The value of a counter of this process."""
    families = REGISTRY.restricted_registry([name]).collect()  # the whole registry has a thousand samples
    return next((one.value for family in families for one in family.samples if one[:2] == (name, labels)), 0)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until `condition()` is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - metrics tell nobody when they change
            await asyncio.sleep(0.01)


Start = Callable[..., AbstractAsyncContextManager[Running]]


def undelivered(receiver_id: str, **changes: Any) -> relay.Undelivered:
    """A text message from somchai, stored now."""
    fields: dict[str, Any] = {
        "message_id": str(uuid.uuid4()),
        "conversation_id": str(uuid.uuid4()),
        "seq": 1,
        "sender_id": str(uuid.uuid4()),
        "sender_username": "somchai",
        "receiver_id": receiver_id,
        "type": "text",
        "preview": "Hello there!",
        "created_at_ms": time.time_ns() // 1_000_000,
    }
    return relay.Undelivered(**{**fields, **changes})


@pytest.fixture(scope="module")
async def amqp_url(backends: Backends) -> str:
    """A virtual host with every queue, empty: each test declares them before a service can."""
    await backends.empty_queues()
    return backends.amqp


@pytest.fixture
async def push() -> AsyncIterator[PushService]:
    async with push_service() as service:
        yield service


async def empty(broker: Broker) -> None:
    """Wait until no earlier test's notifier holds deliveries, and delete what they left. Raises TimeoutError.

    A notifier that ends hands back what it had not acknowledged, which a purge before that moment doesn't see.
    """
    async with asyncio.timeout(60):
        # Queues in which messages wait for a time move them on to others: again, until there was nothing to delete.
        while any([await busy(broker, queue) for queue in QUEUES]):  # noqa: ASYNC110 - it can only be asked for
            await asyncio.sleep(0.02)


async def busy(broker: Broker, queue: Queue) -> bool:
    """Declare a queue, and return whether it has consumers of the notifier, or had messages, which are deleted then."""
    declared = await declare(broker.channel, queue)
    found = declared.declaration_result
    if queue in OWN_QUEUES and found.consumer_count:
        return True
    return bool(found.message_count and (await declared.purge()).message_count)


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        broker = Broker(await connection.channel())
        await empty(broker)
        yield broker


@pytest.fixture
def start(
    database_url: str,
    redis_url: str,
    amqp_url: str,
    broker: Broker,  # its queues are emptied before a notifier can take what earlier tests left there
    push: PushService,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    """Starts a notifier, with settings of one's choice; several may run at once."""
    environment = {
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "REDIS_URLS": redis_url,
        "JWT_SECRET": SECRET,
        "VAPID_PRIVATE_KEY": KEY.private_text(),
        "PUSH_ALLOWED_HOSTS": f"{push.origin},push.example.com",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"CHAT_{name}", value)

    @asynccontextmanager
    async def started(**changes: Any) -> AsyncIterator[Running]:
        settings = NotifierSettings(**changes)
        supervisor, partitions = Supervisor(), open_partitions(settings.redis_urls)
        pool = await postgres.open_pool(settings.database_url, size=4, application_name="test")
        try:
            notifier = Notifier(settings, pool, partitions)
            try:
                notifier.start(supervisor)
                yield Running(notifier, pool, partitions.at(0).client, supervisor)
                await supervisor.stop()
            finally:
                await notifier.aclose()
            assert not supervisor.failed.is_set()
        finally:
            await supervisor.stop()
            await partitions.aclose()
            await pool.close()

    return started


@pytest.fixture
async def notifier(start: Start) -> AsyncIterator[Running]:
    """A notifier with the usual settings."""
    async with start() as running:
        yield running


@pytest.fixture
def user_id() -> str:
    """A user that nobody has seen."""
    return str(uuid.uuid4())
