"""RabbitMQ: its version, alarms, and whether each queue exists, is consumed, and has no dead letters."""

import asyncio
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from shared.protocol.topology import MESSAGING_COMMANDS, QUEUES, Queue, command_queues
from tools.dead_letters import ANSWER_SECONDS, SOURCES, connect
from tools.doctor.findings import Report

OLDEST: Final = (3, 10)
MOST_WAITING: Final = 1000
"""The threshold of the alert `ChatQueueGrows`."""
_WAITS: Final = "x-dead-letter-strategy"
"""Only delay queues have this argument. They have no consumers."""


async def examine(report: Report, url: str, command_queue_count: int) -> None:
    """Look at the broker. Raises AMQPError, OSError or TimeoutError when it doesn't answer."""
    async with await connect(url) as connection:
        _version(report, connection)
        await _publishes(report, connection)
        queues = [*command_queues(command_queue_count), *(one for one in QUEUES if one != MESSAGING_COMMANDS)]
        faults = [found for queue in queues if (found := await _fault_of(connection, queue)) is not None]
    for text, remedy in faults:
        report.fault(text, remedy)
    if not faults:
        report.ok(f"{len(queues)} queues are there and worked off, without dead letters")


def _version(report: Report, connection: AbstractConnection) -> None:
    properties: Any = connection.transport.connection.server_properties if connection.transport else {}
    version = _text(properties.get("version", "0.0"))
    old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST
    report.judge(
        f"version {version}, node {_text(properties.get('cluster_name', '?'))}",
        f"version {version} is older than what is tried" if old else None,
        f"upgrade to RabbitMQ {OLDEST[0]}.{OLDEST[1]} or later",
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _publishes(report: Report, connection: AbstractConnection) -> None:
    """Publish a message to a queue of our own, because a memory or disk alarm blocks only publishers."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    own = await channel.declare_queue(exclusive=True, auto_delete=True, timeout=ANSWER_SECONDS)
    try:
        await channel.default_exchange.publish(aio_pika.Message(b""), own.name, timeout=ANSWER_SECONDS)
    except (TimeoutError, asyncio.CancelledError, AMQPError):
        report.fault(
            "nothing can be published: a memory or disk alarm, or the disk is full",
            "`rabbitmq-diagnostics alarms` on the nodes says which; senders hear `send_failed` until it ends",
        )
    else:
        report.ok("messages are taken and confirmed")


async def _fault_of(connection: AbstractConnection, queue: Queue) -> tuple[str, str] | None:
    """Return what is wrong with a queue, and what to do; None when nothing is."""
    owner = queue.name.partition(".")[0]
    channel = await connection.channel()
    try:
        found = await channel.declare_queue(queue.name, passive=True, timeout=ANSWER_SECONDS)
    except ChannelNotFoundEntity:
        return f"there is no queue {queue.name}", f"start {owner}, which declares it"
    except (AMQPError, TimeoutError) as error:
        return (
            f"{queue.name} doesn't answer: {error}",
            "has a majority of its nodes gone? `rabbitmq-queues quorum_status`",
        )
    finally:
        if not channel.is_closed:
            await channel.close()
    waiting = found.declaration_result.message_count or 0
    if queue.name in SOURCES:
        return (
            (f"{waiting} dead letters in {queue.name}", f"look at them: `chatctl dead-letters list {queue.name}`")
            if waiting
            else None
        )
    if _WAITS in queue.arguments:
        return None
    if not found.declaration_result.consumer_count:
        return f"nobody consumes {queue.name}", f"start {owner}, or look at its log"
    if waiting > MOST_WAITING:
        return f"{waiting} batches wait in {queue.name}", "see ChatQueueGrows in docs/operations.md"
    return None
