"""A publisher and a consumer of test queues, which are empty when a test begins.

What `shared.rabbitmq` promises is tested twice: with the frames of our own, and with those of aiormq.
"""

from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared import rabbitmq
from shared.rabbitmq import Consumer, Publisher
from tests.support.broker import DEAD, FULL, WORK, consumer_of, publisher_of, running
from tests.support.plain_rabbitmq import use_plain


@pytest.fixture(params=["own frames", "aiormq's"])
def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who carries messages over the wire."""
    if request.param == "aiormq's":
        use_plain(monkeypatch)


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """Another client, with the queues empty."""
    async with await aio_pika.connect(amqp_url) as connection:
        opened = await connection.channel()
        for queue in (DEAD, WORK, FULL):
            await (await rabbitmq.declare(opened, queue)).purge()
        yield opened


@pytest.fixture
async def publisher(amqp_url: str, channel: AbstractChannel, carrier: None) -> AsyncIterator[Publisher]:
    """Connected."""
    made = publisher_of(amqp_url, DEAD, WORK, FULL)
    async with running(made):
        yield made


@pytest.fixture
async def consumer(amqp_url: str, channel: AbstractChannel, carrier: None) -> AsyncIterator[Consumer]:
    """Connected."""
    made = consumer_of(amqp_url)
    async with running(made):
        yield made
