"""Declares queues one by one: a queue that the broker refuses must not stop the others."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue

from shared.protocol.topology import Queue
from shared.rabbitmq.errors import TRANSIENT_ERRORS, translate_errors

log = structlog.get_logger(__name__)

DECLARE_SECONDS: Final = 3


async def declare(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    """Declare `queue`, without the queue of its dead letters. Raises AMQPError if it exists with other arguments."""
    return await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments or None)


async def declare_each(connection: AbstractConnection, queues: Iterable[Queue]) -> set[str]:
    """Declare `queues`, and return the names of those that exist now. Uses channels of its own, because a refusal closes one.

    The broker refuses a queue that exists with other arguments; it stays as it is, and its name is returned. The broker also
    refuses a queue whose only node is down. Raises ConnectionError when the connection has ended.
    """
    there = set()
    channel: AbstractChannel | None = None
    for queue in queues:
        if connection.is_closed:
            raise ConnectionError("the connection was closed")
        try:
            with translate_errors():
                async with asyncio.timeout(DECLARE_SECONDS):
                    if channel is None:
                        channel = await connection.channel(publisher_confirms=False)
                    await declare(channel, queue)
            there.add(queue.name)
        except TRANSIENT_ERRORS as error:
            channel = None
            if await exists(connection, queue.name):
                there.add(queue.name)
                log.warning("amqp.queue_differs", queue=queue.name, error=str(error))
            else:
                log.warning("amqp.queue_not_declared", queue=queue.name, error=str(error))
    if channel is not None:
        with translate_errors():
            await channel.close()
    return there


async def exists(connection: AbstractConnection, name: str) -> bool:
    """Whether the broker has this queue, with any arguments, and can reach it. Raises ConnectionError."""
    try:
        with translate_errors():
            async with asyncio.timeout(DECLARE_SECONDS):
                channel = await connection.channel(publisher_confirms=False)
                await channel.declare_queue(name, passive=True)
                await channel.close()
    except ConnectionError:
        raise
    except TRANSIENT_ERRORS:
        return False
    return True
