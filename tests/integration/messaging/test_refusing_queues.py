"""Queues of other services that accept nothing: no cycle waits for them, and their events come later."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue

from shared.protocol import relay, topology
from shared.rabbitmq import declare
from tests.integration.messaging.conftest import Start
from tests.support.gateway import eventually
from tests.support.messaging import Gateway, Replica, Talk
from tests.support.messaging_process import Broker


@asynccontextmanager
async def full(amqp_url: str, queue: topology.Queue) -> AsyncIterator[AbstractQueue]:
    """The queue holds as much as it can, and takes no more."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(queue.name)
        arguments = {**queue.arguments, "x-max-length": 1}
        made = await channel.declare_queue(queue.name, durable=True, arguments=arguments)

        async def is_full() -> bool:
            try:
                await channel.default_exchange.publish(aio_pika.Message(b"x"), routing_key=queue.name)
            except aio_pika.exceptions.DeliveryError:
                return True
            return False

        await eventually(is_full)
        yield made
        await channel.queue_delete(queue.name)
        await declare(channel, queue)


@pytest.fixture
async def full_waiting_queue(amqp_url: str, broker: Broker) -> AsyncIterator[AbstractQueue]:
    """The queue of waiting push reports."""
    async with full(amqp_url, topology.NOTIFIER_WAITING) as queue:
        yield queue


@pytest.fixture
async def full_presence_queue(amqp_url: str, broker: Broker) -> AsyncIterator[AbstractQueue]:
    """The queue of presence."""
    async with full(amqp_url, topology.PRESENCE_COMMANDS) as queue:
        yield queue


async def test_a_push_report_that_the_broker_refuses_holds_up_no_cycle(
    full_waiting_queue: AbstractQueue, start: Start, broker: Broker, replica: Replica, gateway: Gateway
) -> None:
    await start(push_delay_seconds=0.2)
    await broker.purge((topology.NOTIFIER_UNDELIVERED,))
    talk = await replica.talk()
    for number in range(3):
        batch = gateway.batch(talk.send(talk.one, str(number), f"t{number}"))
        await broker.send(batch)
        await gateway.completed(batch)
    await full_waiting_queue.purge()
    seqs: list[int] = []
    while len(seqs) < 3:
        reported = await broker.take(topology.NOTIFIER_UNDELIVERED)
        seqs += [message.seq for message in relay.undelivered_batch_decoder.decode(reported.body).messages]
    assert sorted(set(seqs)) == [1, 2, 3]


async def test_a_refused_block_report_delays_no_cycle_and_is_sent_later(
    full_presence_queue: AbstractQueue, start: Start, broker: Broker, talk: Talk, gateway: Gateway
) -> None:
    await start()
    block = relay.SetBlock(talk.one.id, talk.one.connection_id, talk.other.username, blocked=True)
    for command in (block, talk.send(talk.one, "hello", "t1")):
        batch = gateway.batch(command)
        await broker.send(batch)
        await gateway.completed(batch)
    await full_presence_queue.purge()
    reported = await eventually(lambda: full_presence_queue.get(fail=False, no_ack=True))
    assert reported is not None
    (changed,) = relay.presence_batch_decoder.decode(reported.body).commands
    assert isinstance(changed, relay.BlockChanged)
    assert (changed.blocker, changed.blocked, changed.active) == (talk.one.id, talk.other.id, True)
