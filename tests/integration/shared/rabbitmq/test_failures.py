"""A failure at the broker stops only what needs it, and is recovered from automatically."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.protocol.topology import Queue
from shared.rabbitmq import Consumer, Publisher, Unroutable, link
from shared.rabbitmq.link import Link, Opened
from tests.faults.proxy import Proxy
from tests.support.broker import DEAD, SECONDS, WORK, consumer_of, publisher_of, running, take, until, waiting
from tools.stack.ports import free_port

pytestmark = pytest.mark.usefixtures("carrier")
OTHERWISE = Queue(WORK.name, {"x-queue-type": "quorum", "x-max-length": 17})
FORMER = "test.former"
DIES = """
import asyncio, os, sys
from tests.support.broker import consumer_of, running

async def main():
    consumer = consumer_of(sys.argv[1])
    async with running(consumer):
        while True:
            for delivery in await consumer.take(1):
                if delivery.body == b"poison":
                    os.kill(os.getpid(), 9)
                await asyncio.sleep(0.05)
                consumer.done(delivery)

asyncio.run(main())
"""
"""Handles one message after the other, and dies of one."""


async def test_a_deleted_queue_is_declared_by_the_next_message(publisher: Publisher, channel: AbstractChannel) -> None:
    await channel.queue_delete(WORK.name)
    await publisher.publish(WORK, b"x")
    assert await waiting(channel, WORK) == 1


async def test_a_queue_that_cannot_be_declared_stops_no_other(amqp_url: str, channel: AbstractChannel) -> None:
    nowhere = Queue("test.nowhere", {"x-queue-type": "no such type"})
    made = publisher_of(amqp_url, nowhere, WORK)
    async with running(made):
        await made.publish(WORK, b"x")
        with pytest.raises(Unroutable):
            await made.publish(nowhere, b"x")
        await made.publish(WORK, b"y")
    assert await waiting(channel, WORK) == 2


async def test_a_queue_that_has_other_arguments_serves(amqp_url: str, channel: AbstractChannel) -> None:
    publisher = publisher_of(amqp_url, OTHERWISE)
    consumer = Consumer(SecretStr(amqp_url), "test", OTHERWISE, prefetch=2)
    async with running(publisher), running(consumer):
        await publisher.publish(OTHERWISE, b"x")
        assert [each.body for each in await take(consumer, 1)] == [b"x"]


async def test_the_next_host_of_the_url_is_tried_at_once(amqp_url: str, channel: AbstractChannel) -> None:
    closed = "127.0.0.1:1"
    account, at, host = amqp_url.partition("@")
    publisher = publisher_of(f"{account}{at}{closed},{host.replace('/', f',{closed}/', 1)}", WORK)
    async with running(publisher):
        for _ in range(3):
            opened = publisher.link.opened
            assert opened is not None
            opened.frames.abort()
            await until(lambda before=opened: publisher.link.opened not in {None, before})  # type: ignore[misc]
        await publisher.publish(WORK, b"x")


@pytest.fixture
async def former(channel: AbstractChannel) -> AsyncIterator[str]:
    """A queue of an earlier version."""
    await channel.declare_queue(FORMER, durable=True)
    yield FORMER
    await channel.queue_delete(FORMER)


async def test_former_queues_are_consumed_while_they_exist(
    amqp_url: str, publisher: Publisher, channel: AbstractChannel, former: str
) -> None:
    consumer = Consumer(SecretStr(amqp_url), "test", WORK, prefetch=4, former=[former, "test.never"])
    async with running(consumer):
        await publisher.publish(WORK, b"new")
        await channel.default_exchange.publish(aio_pika.Message(b"old"), routing_key=former)
        taken = await take(consumer, 2)
        assert {each.body for each in taken} == {b"new", b"old"}
        consumer.done(taken[-1])
        consumer.acknowledge_done()
        opened = consumer.link.opened
        await channel.queue_delete(former)
        await until(lambda: consumer.link.opened not in {None, opened})
        await publisher.publish(WORK, b"newer")
        assert [each.body for each in await take(consumer, 1)] == [b"newer"]


async def test_one_queue_of_several_is_not_preferred(amqp_url: str, channel: AbstractChannel) -> None:
    both = (WORK, DEAD)
    publisher = publisher_of(amqp_url, *both)
    consumer = Consumer(SecretStr(amqp_url), "test", both, prefetch=4)
    async with running(publisher), running(consumer):
        for queue in both:
            await publisher.publish(queue, queue.name.encode())
        taken = await take(consumer, 2)
        assert {each.body.decode() for each in taken} == {queue.name for queue in both}
        consumer.done(taken[-1])
        consumer.acknowledge_done()
        await publisher.publish(DEAD, b"last")
        assert [each.body for each in await take(consumer, 1)] == [b"last"]


async def test_a_message_that_kills_its_consumers_makes_no_other_a_dead_letter(
    amqp_url: str, publisher: Publisher, channel: AbstractChannel
) -> None:
    """It reaches its delivery limit; what was prefetched with it does not."""
    others = [str(number).encode() for number in range(30)]
    for body in [others[0], b"poison", *others[1:]]:
        await publisher.publish(WORK, body)
    deaths = 0
    while await waiting(channel, DEAD) == 0:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, amqp_url)
        dead = asyncio.create_task(child.wait())
        try:
            async with asyncio.timeout(SECONDS):
                while not dead.done() and await waiting(channel, DEAD) == 0:  # noqa: ASYNC110 - the broker's state
                    await asyncio.sleep(0.05)
        finally:
            if child.returncode is None:
                child.kill()
            await dead
        deaths += child.returncode == -signal.SIGKILL
        assert deaths < 20
    consumer = consumer_of(amqp_url)
    async with running(consumer):
        await until(lambda: consumer.ready)
        rest = await waiting(channel, WORK)
        assert await waiting(channel, DEAD) == 1
        assert rest <= len(others)
    letter = await (await channel.get_queue(DEAD.name)).get(no_ack=True)
    assert letter is not None
    assert letter.body == b"poison"


@pytest.mark.parametrize("swallowed_as", [None, ConnectionError("lost")])
async def test_a_link_ends_although_a_library_swallowed_its_cancellation(
    amqp_url: str, swallowed_as: Exception | None
) -> None:
    begun = asyncio.Event()

    async def on_open(_opened: Opened) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if swallowed_as is not None:
                raise swallowed_as from None

    keeping = asyncio.create_task(Link(SecretStr(amqp_url), "test", on_open).run())
    await begun.wait()
    keeping.cancel()
    done, _ = await asyncio.wait([keeping], timeout=SECONDS)
    keeping.cancel()
    assert done
    assert keeping.cancelled()


async def test_a_half_open_link_is_noticed_when_heartbeats_are_missing(
    amqp_url: str, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the consumer too, which sends nothing that would be missed. aiormq waits for more than twice as long."""
    monkeypatch.setattr(link, "HEARTBEAT_SECONDS", 4)
    monkeypatch.setattr(link, "SILENCE_SECONDS", 5.0)
    monkeypatch.setattr(link, "LOOK_SECONDS", 0.2)
    proxy = Proxy.to(amqp_url)
    await proxy.start(free_port())
    consumer = consumer_of(proxy.url(amqp_url))
    with capture_logs() as logs:
        async with running(consumer):
            before = consumer.link.opened
            proxy.strand()
            await until(lambda: consumer.link.opened not in {None, before})
    await proxy.stop()
    assert [line["reason"] for line in logs if line["event"] == "amqp.dropped"]
