"""Publishers, consumers and queues for tests of `shared.rabbitmq`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from shared.protocol.topology import Queue
from shared.rabbitmq import Consumer, Delivery, Publisher, declare

SECONDS = 20
PREFETCH = 8
DEAD = Queue("test.dead", {"x-queue-type": "quorum"})
WORK = Queue(
    "test.work",
    {
        "x-queue-type": "quorum",
        "x-delivery-limit": 5,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DEAD.name,
    },
)
FULL = Queue("test.full", {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"})


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - connections have no event for it
            await asyncio.sleep(0.01)


async def take(consumer: Consumer, count: int) -> list[Delivery]:
    """Take this many deliveries."""
    taken: list[Delivery] = []
    async with asyncio.timeout(SECONDS):
        while len(taken) < count:
            taken += await consumer.take(count - len(taken))
    return taken


async def empty_queues(channel: AbstractChannel, queues: Iterable[Queue]) -> None:
    """Declare queues, and delete their messages where there are any: a look costs half of what deleting nothing does."""
    for queue in queues:
        declared = await declare(channel, queue)
        if declared.declaration_result.message_count:
            await declared.purge()


async def waiting(channel: AbstractChannel, queue: Queue) -> int:
    """Count the messages that no consumer has."""
    return (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count or 0


@asynccontextmanager
async def running(end: Publisher | Consumer) -> AsyncIterator[None]:
    """Keep a publisher or a consumer connected."""
    task = asyncio.create_task(end.run())
    try:
        await until(lambda: end.ready)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def publisher_of(url: str, *queues: Queue) -> Publisher:
    """Run a publisher that declares `queues`."""
    return Publisher(SecretStr(url), "test", queues)


def consumer_of(url: str, prefetch: int = PREFETCH) -> Consumer:
    """Run a consumer of `WORK`."""
    return Consumer(SecretStr(url), "test", WORK, prefetch=prefetch, also=[DEAD])
