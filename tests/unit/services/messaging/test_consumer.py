"""Which batches one cycle takes: bounded in commands and in bytes, in the order in which they came."""

from typing import cast

import pytest
from pydantic import SecretStr

from services.messaging.consumer import MAX_CYCLE_BYTES, CommandConsumer, Taken
from services.messaging.cycle import Cycle
from services.messaging.dead_letters import DeadLetters
from services.messaging.failpoints import Failpoints
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
