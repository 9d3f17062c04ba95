"""A silent broker, and one that refuses publishers because of an alarm: both are noticed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiormq
import pytest
from aio_pika.abc import AbstractChannel

from shared import rabbitmq
from shared.rabbitmq import BrokerUnavailable, Publisher
from shared.rabbitmq import link as links
from shared.rabbitmq import publisher as publishing
from tests.faults.proxy import Proxy
from tests.support.backends import run
from tests.support.broker import SECONDS, WORK, consumer_of, publisher_of, running, take, until
from tools.stack import ladder
from tools.stack.ladder import Source, program
from tools.stack.ports import free_port
from tools.stack.stack import Stack as LocalStack

pytestmark = pytest.mark.usefixtures("carrier")
HIGHEST_MEMORY = "0.3"
"""What a local stack gives it."""
Limit = Callable[[str], Awaitable[None]]


@pytest.fixture
async def proxy(amqp_url: str) -> AsyncIterator[Proxy]:
    """The way to the broker."""
    made = Proxy.to(amqp_url)
    await made.start(free_port())
    yield made
    await made.stop()


@pytest.fixture
async def limit(local_stack: LocalStack) -> AsyncIterator[Limit]:
    """Sets how much of the memory the broker may take; less than it has raises an alarm."""
    backend = local_stack.layout.backend(ladder.AMQP)
    if backend.source is not Source.NATIVE:
        pytest.skip("the broker isn't a process of this session")

    async def set_limit(share: str) -> None:
        await run((program("rabbitmqctl"), "set_vm_memory_high_watermark", share), backend.programs[-1].environment)

    yield set_limit
    await set_limit(HIGHEST_MEMORY)


async def test_a_silent_broker_is_noticed_by_a_consumer(
    amqp_url: str, proxy: Proxy, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its heartbeats, although messages came until a moment ago."""
    monkeypatch.setattr(links, "HEARTBEAT_SECONDS", 2)
    monkeypatch.setattr(aiormq.Connection, "HEARTBEAT_GRACE_MULTIPLIER", 1)
    consumer = consumer_of(proxy.url(amqp_url))
    async with running(consumer):
        await publisher.publish(WORK, b"before")
        (before,) = await take(consumer, 1)
        consumer.done(before)
        consumer.acknowledge_done()
        opened = consumer.link.opened
        proxy.strand()
        await until(lambda: consumer.link.opened not in {None, opened})
        assert before.lost
        await publisher.publish(WORK, b"after")
        async with asyncio.timeout(SECONDS):
            while (await take(consumer, 1))[0].body != b"after":
                pass


async def test_a_missing_confirm_shows_that_the_broker_is_silent(
    amqp_url: str, proxy: Proxy, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its heartbeats are missed."""
    publisher = publisher_of(proxy.url(amqp_url), WORK)
    async with running(publisher):
        await publisher.publish(WORK, b"before")
        opened = publisher.link.opened
        proxy.strand()
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "CONFIRM_SECONDS", 0.2)
            with pytest.raises(rabbitmq.TRANSIENT_ERRORS):
                await publisher.publish(WORK, b"lost")
        await until(lambda: publisher.link.opened not in {None, opened})
        await publisher.publish(WORK, b"after")


async def test_a_blocked_broker_fails_publishers_at_once(limit: Limit, publisher: Publisher) -> None:
    """One message finds out that there is an alarm; those after it don't wait. When it ends, they go again."""

    async def write() -> None:
        while True:
            with suppress(BrokerUnavailable, *rabbitmq.TRANSIENT_ERRORS):
                await publisher.publish(WORK, b"x")
            await asyncio.sleep(0.02)

    writing = asyncio.create_task(write())
    await limit("0.0000001")
    await until(lambda: publisher.link.blocked)
    assert not publisher.ready
    with pytest.raises(BrokerUnavailable, match="blocked"):
        await publisher.publish(WORK, b"x")
    await limit(HIGHEST_MEMORY)
    await until(lambda: publisher.ready)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await publisher.publish(WORK, b"x")
