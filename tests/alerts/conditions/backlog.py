"""Work that waits or can't be done: backends that are away, queues that grow, dead letters, counts that differ."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel

from shared.protocol import keys
from shared.protocol.topology import MESSAGING_COMMANDS, MESSAGING_DEAD, PRESENCE_COMMANDS, PRESENCE_DEAD
from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.people import text_message
from tests.support.waiting import eventually

BATCHES = 1100
SETTLE_SECONDS = 60
UNREADABLE = aio_pika.Message(b"nobody can read this", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)


@asynccontextmanager
async def broker(watched: Watched) -> AsyncIterator[AbstractChannel]:
    """A channel of one's own."""
    async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{watched.rabbitmq.ports[0]}/") as connection:
        yield await connection.channel()


async def has_letters(watched: Watched, queue: str) -> bool:
    """Whether a queue holds anything."""
    async with broker(watched) as channel:
        return bool((await channel.get_queue(queue)).declaration_result.message_count)


@condition("PostgreSQL's primary is killed", ChatBackendAway={"job": "messaging"})
async def no_database(watched: Watched) -> AsyncIterator[None]:
    await watched.postgres.kill(watched.postgres.primary)
    try:
        yield
        operator = watched.operator("ChatBackendAway")
        told = await operator.look("/readyz?verbose", watched.services.direct_url("messaging-1"))
        assert json.loads(told)["backends"]["postgres"].startswith("failed"), told
    finally:
        await watched.postgres.start(watched.postgres.primary)
    await eventually(watched.postgres.in_step, SETTLE_SECONDS)


@condition(f"presence is stopped, and {BATCHES:,} batches come", ChatQueueGrows={"queue": PRESENCE_COMMANDS.name})
async def long_queue(watched: Watched) -> AsyncIterator[None]:
    for name in ("presence-1", "presence-2"):
        await watched.services.stop(name)
    async with broker(watched) as channel:
        for _ in range(BATCHES):
            await channel.default_exchange.publish(UNREADABLE, PRESENCE_COMMANDS.name)
    yield
    await watched.services.revive()
    # What presence can't read lies there now: the page of another alert.
    operator = watched.operator("ChatDeadLetters")
    await watched.fires("ChatDeadLetters", {"queue": PRESENCE_DEAD.name})
    drop = "chatctl dead-letters drop messaging.commands.dead --most 10"
    await operator.run(drop, {MESSAGING_DEAD.name: PRESENCE_DEAD.name, "--most 10": f"--most {BATCHES} --yes"})


@condition("messaging gets a message that it can't read", ChatDeadLetters={"queue": MESSAGING_DEAD.name})
async def dead_letters(watched: Watched) -> AsyncIterator[None]:
    async with broker(watched) as channel:
        await channel.default_exchange.publish(UNREADABLE, MESSAGING_COMMANDS.name)
    yield
    operator = watched.operator("ChatDeadLetters")
    told = await operator.run("chatctl dead-letters list messaging.commands.dead")
    assert "undecodable" in told, told
    await operator.run("chatctl dead-letters retry messaging.commands.dead --most 1")
    await eventually(lambda: has_letters(watched, MESSAGING_DEAD.name), SETTLE_SECONDS)
    # It returned: the cause isn't repaired, so the others would return too.
    await operator.run("chatctl dead-letters retry messaging.commands.dead --most 100000")
    await eventually(lambda: has_letters(watched, MESSAGING_DEAD.name), SETTLE_SECONDS)
    await operator.run("chatctl dead-letters drop messaging.commands.dead --most 10", {"--most 10": "--most 10 --yes"})


@condition("the counts of somebody who gets messages are made wrong in Redis", ChatUnreadDrift={})
async def drift(watched: Watched) -> AsyncIterator[None]:
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    socket = await alice.connect()

    async def spoil() -> None:
        number = 0
        async with watched.redis_client() as redis:
            while True:
                number += 1
                await socket.send("message.send", **text_message(conversation, "Hello there!", str(number)))
                await socket.expect("message.sent", tempId=str(number))
                await redis.set(keys.key(keys.UNREAD_TOTAL, bob.id), 1_000_000)
                # As long as the audit takes to find it, and to be sure.
                await asyncio.sleep(5)

    spoiling = asyncio.create_task(spoil())
    try:
        yield
    finally:
        spoiling.cancel()
        with suppress(asyncio.CancelledError):
            await spoiling
