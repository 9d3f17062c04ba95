"""Events that come by RabbitMQ reach the outbox; what can't be decoded or stored becomes a dead letter, alone."""

import uuid
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from services.webhooks.intake import Intake
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import WEBHOOK_EVENTS, WEBHOOK_EVENTS_DEAD
from shared.protocol.webhooks import EventBatch, WebhookEvent
from shared.rabbitmq import Consumer, Publisher, declare
from shared.webhooks import Outbox
from tests.support.gateway import eventually

QUEUES = (WEBHOOK_EVENTS_DEAD, WEBHOOK_EVENTS)


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """For looking at the queues, which are empty at first."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        opened = await connection.channel(publisher_confirms=True)
        for queue in QUEUES:
            await (await declare(opened, queue)).purge()
        yield opened


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(SecretStr(database_url), size=2, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def endpoint(pool: postgres.Pool, amqp_url: str, channel: AbstractChannel) -> AsyncIterator[str]:
    """An endpoint whose events the intake stores; nobody posts them."""
    url, supervisor = f"https://{uuid.uuid4()}.example", Supervisor()
    publisher = Publisher(SecretStr(amqp_url), "test", QUEUES)
    consumer = Consumer(SecretStr(amqp_url), "test", WEBHOOK_EVENTS, prefetch=10, also=QUEUES)
    supervisor.start("publisher", publisher.run())
    supervisor.start("events link", consumer.run())
    supervisor.start("intake", Intake(consumer, publisher, pool, Outbox([url])).run())
    yield url
    await supervisor.stop()
    assert not supervisor.failed.is_set()


async def send(channel: AbstractChannel, *bodies: bytes) -> None:
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=WEBHOOK_EVENTS.name)


def online(user_id: str, *, data: str = "{}", seq: int | None = None) -> bytes:
    return msgpack_encoder.encode(EventBatch([WebhookEvent("user.online", user_id, 1, data, seq)]))


async def test_what_can_t_be_stored_is_dead_lettered_alone(
    pool: postgres.Pool, endpoint: str, channel: AbstractChannel
) -> None:
    no_utf8 = online("??").replace(b"??", b"\xff\xff")
    await send(
        channel, online("one"), b"\xc1", no_utf8, online("bad", seq=1 << 63), online("bad", data="{"), online("two")
    )

    async def stored() -> bool:
        query = "SELECT array_agg(order_key ORDER BY id) FROM webhooks.events WHERE endpoint = $1"
        return bool(await pool.fetchval(query, endpoint) == ["one", "two"])

    async def dead() -> bool:
        declared = await channel.declare_queue(WEBHOOK_EVENTS_DEAD.name, passive=True)
        return declared.declaration_result.message_count == 4

    await eventually(stored, seconds=60)
    await eventually(dead, seconds=60)


async def test_a_redelivered_event_keeps_its_id(pool: postgres.Pool, endpoint: str, channel: AbstractChannel) -> None:
    """A replica died between the commit and the acknowledgement."""
    await send(channel, online("one"), online("one"), online("two"))

    async def ids() -> bool:
        query = "SELECT array_agg(event_id::text ORDER BY id) FROM webhooks.events WHERE endpoint = $1"
        found: list[str] = await pool.fetchval(query, endpoint) or []
        return len(found) == 3 and found[0] == found[1] != found[2]

    await eventually(ids, seconds=60)
