"""Which batches one cycle takes: bounded in commands and in bytes, in the order in which they came."""

import asyncio
from typing import cast

import pytest
from pydantic import SecretStr

from services.messaging.consumer import MAX_CYCLE_BYTES, CommandConsumer, Taken
from services.messaging.cycle import Cycle
from services.messaging.dead_letters import DeadLetters
from services.messaging.failpoints import Failpoints
from services.messaging.moderation import Moderator
from shared.protocol import limits, relay
from shared.protocol.topology import MESSAGING_COMMANDS
from shared.rabbitmq import Consumer, Delivery
from shared.rabbitmq.frames import MessageFrames

MOST_COMMANDS = 512


@pytest.fixture
def consumer() -> CommandConsumer:
    """One that nothing runs: what it would do with batches is never asked."""
    link = Consumer(SecretStr("amqp://nowhere"), "test", MESSAGING_COMMANDS, prefetch=100)
    nobody: None = None
    return CommandConsumer(
        link, cast("Cycle", nobody), cast("DeadLetters", nobody), cast("Failpoints", nobody), MOST_COMMANDS
    )


def taken(number: int, size: int, commands: int = 1) -> Taken:
    """A batch whose body has so many bytes."""
    batch = relay.CommandBatch("gateway", number, [relay.MarkRead("u", "c", "v", None)] * commands)
    return Taken(Delivery(cast("MessageFrames", None), number, b"", b"x" * size, redelivered=False), batch)


def test_a_cycle_is_bounded_in_bytes(consumer: CommandConsumer) -> None:
    """By its bound and the batch that passes it; the others are the next cycles."""
    consumer._waiting.extend(taken(number, limits.MAX_BATCH_BYTES) for number in range(20))
    numbers: list[int] = []
    while cycle := consumer._next():
        assert sum(len(message.body) for message, _ in cycle) < MAX_CYCLE_BYTES + limits.MAX_BATCH_BYTES
        numbers += [batch.batch_id for _, batch in cycle]
    assert numbers == list(range(20))


def test_a_cycle_is_bounded_in_commands(consumer: CommandConsumer) -> None:
    """Small batches come together, up to the number of commands."""
    consumer._waiting.extend(taken(number, 100, commands=100) for number in range(12))
    sizes = []
    while cycle := consumer._next():
        sizes.append(sum(len(batch.commands) for _, batch in cycle))
    assert max(sizes) < MOST_COMMANDS + 100
    assert sum(sizes) == 1_200


async def test_a_batch_with_the_moderation_hook_is_given_up_before_a_stop_ends(consumer: CommandConsumer) -> None:
    asked, given_up = asyncio.Event(), []

    class Slow:
        """A hook that hasn't answered when messaging stops."""

        def concerns(self, _batch: relay.CommandBatch) -> bool:
            return True

        async def judge(self, _batch: relay.CommandBatch) -> None:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.append(True)

    consumer._moderator = cast("Moderator", Slow())
    running = asyncio.create_task(consumer.run())
    consumer._admit(taken(1, 100))
    async with asyncio.timeout(30):
        await asked.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert given_up
