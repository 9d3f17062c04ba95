"""A publisher and a consumer of test queues, which are empty when a test begins."""

from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared import rabbitmq
from shared.rabbitmq import Consumer, Publisher
from tests.support.broker import DEAD, FULL, WORK, consumer_of, publisher_of, running


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """Another client, with the queues empty."""
    async with await aio_pika.connect(amqp_url) as connection:
        opened = await connection.channel()
        for queue in (DEAD, WORK, FULL):
            await (await rabbitmq.declare(opened, queue)).purge()
        yield opened


@pytest.fixture
async def publisher(amqp_url: str, channel: AbstractChannel) -> AsyncIterator[Publisher]:
    """Connected."""
    made = publisher_of(amqp_url, DEAD, WORK, FULL)
    async with running(made):
        yield made


@pytest.fixture
async def consumer(amqp_url: str, channel: AbstractChannel) -> AsyncIterator[Consumer]:
    """Connected."""
    made = consumer_of(amqp_url)
    async with running(made):
        yield made
