"""Dead letters: lists them with their reason, moves them back to their queue, or drops them.

It works on any dead-letter queue of the topology. Letters are read one by one and in order; retry and drop take the oldest ones.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue, HeadersType
from aiormq.exceptions import AMQPError
from yarl import URL

from shared.protocol.topology import DEAD_REASON_HEADER, DEATH_HEADER, QUEUES, Queue
from shared.rabbitmq import open_or_close, split_hosts

ANSWER_SECONDS: Final = 5

SOURCES: Final = {queue.dead: queue for queue in QUEUES if queue.dead is not None}
"""Dead-letter queue → the queue whose letters it has."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled. `reason` is the consumer's, or the broker's if there is none."""

    reason: str
    size: int
    body: bytes


async def list_letters(amqp_url: str, queue: str, most: int = 20) -> list[DeadLetter]:
    """Return the oldest letters of a dead-letter queue; they stay there. Raises KeyError for another queue, AMQPError."""
    letters: list[DeadLetter] = []

    async def note(_channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        letters.append(DeadLetter(reason_of(message), len(message.body), message.body))

    async with _open(amqp_url, queue) as (channel, source):
        # Unacknowledged, they go back to their places when the connection ends.
        await _take(channel, source, most, note)
    return letters


async def retry_letters(amqp_url: str, queue: str, most: int = 1) -> int:
    """Move the oldest letters back to their queue. The reason in their header shows that they may have been handled before.

    Returns how many. Raises KeyError, AMQPError.
    """
    target = SOURCES[queue].name

    async def give_back(channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        headers: HeadersType = {DEAD_REASON_HEADER: reason_of(message)}
        again = aio_pika.Message(message.body, headers=headers, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(again, routing_key=target, timeout=ANSWER_SECONDS)
        await message.ack()

    async with _open(amqp_url, queue) as (channel, source):
        return await _take(channel, source, most, give_back)


async def drop_letters(amqp_url: str, queue: str, most: int = 1) -> int:
    """Delete the oldest letters; returns how many. Raises KeyError for another queue, AMQPError."""

    async def drop(_channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        await message.ack()

    async with _open(amqp_url, queue) as (channel, source):
        return await _take(channel, source, most, drop)


def reason_of(message: AbstractIncomingMessage) -> str:
    """Return why a message was dead-lettered."""
    told = message.headers.get(DEAD_REASON_HEADER)
    if told is not None:
        return str(told)
    deaths = message.headers.get(DEATH_HEADER)
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        return f"{deaths[0].get('reason')!r}, {deaths[0].get('count')!r} times"
    return "unknown"


@asynccontextmanager
async def _open(amqp_url: str, queue: str) -> AsyncIterator[tuple[AbstractChannel, AbstractQueue]]:
    declared = _declaration(queue)
    async with await connect(amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield channel, await channel.declare_queue(queue, durable=True, arguments=declared.arguments)


async def connect(amqp_url: str) -> AbstractConnection:
    """Connect to the first node of the URL that answers. Raises the last one's AMQPError, OSError or TimeoutError."""
    *others, last = split_hosts(amqp_url)
    for node in others:
        with suppress(AMQPError, OSError, TimeoutError):
            return await open_or_close(aio_pika.Connection(URL(node)))
    return await open_or_close(aio_pika.Connection(URL(last)))


def _declaration(queue: str) -> Queue:
    if queue not in SOURCES:
        raise KeyError(queue)
    return next(declared for declared in QUEUES if declared.name == queue)


async def _take(
    channel: AbstractChannel,
    queue: AbstractQueue,
    most: int,
    handle: Callable[[AbstractChannel, AbstractIncomingMessage], Awaitable[None]],
) -> int:
    # Only letters that are there now: a letter that is moved back may return at once, and must not be taken twice.
    most = min(most, queue.declaration_result.message_count or 0)
    for taken in range(most):
        message = await queue.get(fail=False, timeout=ANSWER_SECONDS)
        if message is None:
            return taken
        await handle(channel, message)
    return most
