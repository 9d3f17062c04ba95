"""Publishing and consuming against a real broker: what is confirmed is stored, what is done is not delivered again."""

import asyncio

import pytest
from aio_pika.abc import AbstractChannel

from shared import rabbitmq
from shared.protocol.topology import Queue
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher, Refused
from shared.rabbitmq import consumer as consuming
from shared.rabbitmq.link import HEARTBEAT_SECONDS
from tests.support.broker import DEAD, FULL, PREFETCH, SECONDS, WORK, take, until, waiting

pytestmark = pytest.mark.usefixtures("carrier")
ELSEWHERE = Queue("test.elsewhere", {"x-queue-type": "no such type"})


async def hang_up(consumer: Consumer) -> None:
    """Cut the consumer's connection, and wait until it has another."""
    opened = consumer.link.opened
    assert opened is not None
    opened.frames.abort()
    await until(lambda: consumer.link.opened not in {None, opened})


async def test_messages_arrive_whole_and_in_order(publisher: Publisher, consumer: Consumer) -> None:
    bodies = [b"", b"x", bytes(131_072), bytes(range(256)) * 2_000]
    await asyncio.gather(*(publisher.publish(WORK, body, headers={"size": str(len(body))}) for body in bodies))
    deliveries = await take(consumer, len(bodies))
    assert [each.body for each in deliveries] == bodies
    assert [each.headers["size"] for each in deliveries] == [str(len(body)) for body in bodies]
    assert not any(each.redelivered for each in deliveries)


async def test_a_message_without_a_queue_is_refused(publisher: Publisher) -> None:
    with pytest.raises(Refused, match="the queue doesn't exist"):
        await publisher.publish(ELSEWHERE, b"x")
    await publisher.publish(WORK, b"x")


async def test_a_full_queue_refuses(publisher: Publisher) -> None:
    # A quorum queue tells its publishers a little later that it is full.
    for _ in range(100):
        try:
            await publisher.publish(FULL, b"x")
        except Refused:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the queue took everything")


async def test_an_expired_message_is_gone(publisher: Publisher, channel: AbstractChannel) -> None:
    await publisher.publish(WORK, b"x", expiration_seconds=0.05)
    async with asyncio.timeout(SECONDS):
        while await waiting(channel, WORK):  # noqa: ASYNC110 - the broker's state
            await asyncio.sleep(0.02)


async def test_what_is_done_is_not_delivered_again_and_the_rest_is(publisher: Publisher, consumer: Consumer) -> None:
    for number in range(3):
        await publisher.publish(WORK, str(number).encode())
    first, second, third = await take(consumer, 3)
    consumer.done(second)
    await asyncio.sleep(4 * consuming.ACKNOWLEDGE_SECONDS)
    await hang_up(consumer)
    (again,) = await take(consumer, 1)
    assert (again.body, again.redelivered) == (third.body, True)
    assert first.lost
    rabbitmq.acknowledge(first)


async def test_what_is_done_is_acknowledged_before_it_blocks_the_prefetch(
    publisher: Publisher, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "ACKNOWLEDGE_SECONDS", 2 * SECONDS)
    for number in range(3 * PREFETCH):
        await publisher.publish(WORK, str(number).encode())
    for number in range(3 * PREFETCH):
        (one,) = await take(consumer, 1)
        assert one.body == str(number).encode()
        consumer.done(one)


async def test_a_rejected_message_goes_to_the_dead_letters(
    publisher: Publisher, consumer: Consumer, channel: AbstractChannel
) -> None:
    await publisher.publish(WORK, b"bad")
    (bad,) = await take(consumer, 1)
    rabbitmq.reject(bad)
    dead = await channel.get_queue(DEAD.name)
    async with asyncio.timeout(SECONDS):
        while (letter := await dead.get(no_ack=True, fail=False)) is None:  # noqa: ASYNC110 - the broker's state
            await asyncio.sleep(0.02)
    assert letter.body == b"bad"


async def test_a_consumer_whose_queue_is_deleted_declares_it_again(
    publisher: Publisher, consumer: Consumer, channel: AbstractChannel
) -> None:
    opened = consumer.link.opened
    await channel.queue_delete(WORK.name)
    await until(lambda: consumer.link.opened not in {None, opened})
    await publisher.publish(WORK, b"x")
    assert [each.body for each in await take(consumer, 1)] == [b"x"]


async def test_a_silent_broker_is_noticed_by_the_heartbeat_that_was_agreed(publisher: Publisher) -> None:
    opened = publisher.link.opened
    assert opened is not None
    assert opened.connection.transport is not None
    assert opened.connection.transport.connection.connection_tune.heartbeat == HEARTBEAT_SECONDS


async def test_publishes_under_way_fail_with_the_connection(publisher: Publisher) -> None:
    opened = publisher.link.opened
    assert opened is not None
    publishing = asyncio.create_task(publisher.publish(WORK, bytes(1_000_000)))
    await asyncio.sleep(0)
    opened.frames.abort()
    with pytest.raises(rabbitmq.TRANSIENT_ERRORS):
        await publishing
    with pytest.raises((BrokerUnavailable, *rabbitmq.TRANSIENT_ERRORS)):
        await publisher.publish(WORK, b"x")
    await until(lambda: publisher.link.opened not in {None, opened})
    await publisher.publish(WORK, b"x")
