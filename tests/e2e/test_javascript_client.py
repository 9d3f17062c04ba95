"""The JavaScript client against the whole system, while gateways come and go."""

import asyncio
import os
import re
import time

import pytest
import redis.asyncio as redis

from shared.protocol import keys
from tests.support.node import run_node
from tests.support.people import People, Person
from tests.support.stack import Stack

# Each of the two sends so many: below the limit of 30 a minute, with room for what the other tests of the file send.
MESSAGES = 24
# Slow enough that both gateways are killed while they talk.
PACE_MS = 100
SECONDS = 150


async def reached(person: Person, seq: int) -> None:
    """Wait until the person's conversation holds `seq` messages."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        conversations = (await person.get("/chat/conversations"))["items"]
        if conversations and conversations[0]["lastSeq"] >= seq:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the conversation never came to {seq}")


async def disturb(stack: Stack, alice: Person, bob: Person) -> None:
    """Kill one gateway, after some more messages the other one too, lose what could be replayed, and bring both back."""
    await reached(alice, 6)
    await stack.kill("gateway-1")
    await reached(alice, 14)
    await stack.kill("gateway-2")
    async with redis.Redis.from_url(stack.redis_url) as client:
        await client.delete(keys.INBOX + alice.id, keys.INBOX + bob.id)
    await stack.revive()


@pytest.mark.timeout(300)  # Two gateways are started anew under it.
async def test_nothing_is_lost_or_doubled_while_gateways_come_and_go(stack: Stack, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    environment = {
        **os.environ,
        "CHAT_URL": stack.url,
        "CHAT_USERS": f"{alice.username},{bob.username}",
        "CHAT_MESSAGES": str(MESSAGES),
        "CHAT_PACE_MS": str(PACE_MS),
    }
    talk = asyncio.create_task(run_node("--test", "test/stack.test.js", environment=environment, seconds=SECONDS))
    trouble = asyncio.create_task(disturb(stack, alice, bob))
    try:
        done, _ = await asyncio.wait((talk, trouble), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        connections = re.search(r"connections: (\d+) and (\d+)", talk.result())
        assert connections is not None, talk.result()
        # When the second gateway was killed, at the latest, each lost a connection.
        assert min(map(int, connections.groups())) >= 2, talk.result()
    finally:
        for task in (talk, trouble):
            task.cancel()
        await asyncio.gather(talk, trouble, return_exceptions=True)
        await stack.revive()
