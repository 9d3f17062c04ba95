"""The policy of docs/operations.md that bounds a queue's bytes on the broker's disk."""

import re
import shlex
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared import rabbitmq
from shared.protocol.topology import MESSAGING_COMMANDS
from shared.rabbitmq import Publisher, Refused
from tests.support.backends import VIRTUAL_HOST, run
from tests.support.broker import publisher_of, running
from tests.support.gateway import eventually
from tools.stack import ladder
from tools.stack.home import ROOT
from tools.stack.ladder import Source, program
from tools.stack.stack import Stack as LocalStack

MOST_BYTES = 200_000
BODY = b"x" * 10_000
ENOUGH = 1_000
"""The broker counts with a delay: somewhat more than fits may pass."""


def documented(most_bytes: int) -> list[str]:
    """The arguments of `rabbitmqctl` as the page has them, with another limit."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^rabbitmqctl (set_policy .*)$", page, re.MULTILINE)
    text, count = re.subn(r'("max-length-bytes": )\d+', rf"\g<1>{most_bytes}", command)
    assert count == 1
    return shlex.split(text)


@pytest.fixture
async def bounded(local_stack: LocalStack, amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel to a broker with the policy, where the queue of commands is empty."""
    backend = local_stack.layout.backend(ladder.AMQP)
    if backend.source is not Source.NATIVE:
        pytest.skip("the broker isn't a process of this session")
    environment = backend.programs[-1].environment
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await rabbitmq.declare(channel, MESSAGING_COMMANDS)
        await queue.purge()
        action, name, *rest = documented(MOST_BYTES)
        await run((program("rabbitmqctl"), action, "--vhost", VIRTUAL_HOST, name, *rest), environment)
        yield channel
        await run((program("rabbitmqctl"), "clear_policy", "--vhost", VIRTUAL_HOST, name), environment)
        await queue.purge()


async def filled(publisher: Publisher) -> int:
    """Publish until the broker refuses; returns how many it took."""
    for taken in range(ENOUGH):
        try:
            await publisher.publish(MESSAGING_COMMANDS, BODY)
        except Refused:
            return taken
    return ENOUGH


async def test_a_queue_that_is_full_in_bytes_refuses_and_keeps_all_that_it_took(
    bounded: AbstractChannel, amqp_url: str
) -> None:
    """And takes more when there is room again."""
    async with running(publisher := publisher_of(amqp_url, MESSAGING_COMMANDS)):
        taken = await filled(publisher)
        queue = await bounded.declare_queue(MESSAGING_COMMANDS.name, passive=True)
        assert ENOUGH > taken >= MOST_BYTES // len(BODY)
        for _ in range(taken):
            assert (await queue.get(no_ack=True)).body == BODY
        assert await queue.get(fail=False) is None

        async def takes_more() -> bool:
            try:
                await publisher.publish(MESSAGING_COMMANDS, BODY)
            except Refused:
                return False
            return True

        await eventually(takes_more)
