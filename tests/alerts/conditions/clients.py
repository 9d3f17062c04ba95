"""What clients meet: refused handshakes, lost cursors, connections that are closed, links that break."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus

from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.people import Person, text_message
from tests.support.tcp import upgrade_request

REFUSED = 10
LOST = 30
CONNECTIONS = 110
CUTS = 5


@condition("gateways take one connection each, and a dozen come", ChatHandshakesRefused={})
async def full(watched: Watched) -> AsyncIterator[None]:
    async with (
        watched.services.settings("gateway-1", "gateway-2", CHAT_MAX_CONNECTIONS="1"),
        asyncio.TaskGroup() as group,
    ):
        person, go_on = watched.people.make(), True

        async def knock() -> None:
            while go_on:
                with suppress(InvalidStatus):
                    await person.connect(greet=False)
                await asyncio.sleep(0.2)

        group.create_task(knock())
        try:
            yield
        finally:
            go_on = False


@condition("Redis is emptied, and clients come back with their cursors", ChatRecoveryFails={})
async def forgotten(watched: Watched) -> AsyncIterator[None]:
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    receiver, sender = await bob.connect(), await alice.connect()
    await sender.send("message.send", **text_message(conversation, "Hello there!", "1"))
    cursor = (await receiver.expect("message.new"))["cursor"]
    await receiver.close()
    async with watched.redis_client() as redis:
        await redis.flushall()
    for _ in range(LOST):
        again = await bob.connect(cursor=cursor, greet=False)
        await again.expect("connection.success", recovered=False)
        await again.close()
    yield


@condition(f"three of {CONNECTIONS} connections read nothing while large messages come", ChatSlowConsumers={})
async def slow(watched: Watched) -> AsyncIterator[None]:
    alice, bob, crowd = (watched.people.make(name) for name in ("alice", "bob", "crowd"))
    conversation = await alice.conversation_with(bob)
    for _ in range(CONNECTIONS):
        await crowd.connect()
    sender = await alice.connect()

    async def write() -> None:
        number = 0
        while True:
            number += 1
            await sender.send("message.send", **text_message(conversation, "x" * 3900, f"large {number}"))
            if number % 20 == 0:
                await sender.expect("message.sent", tempId=f"large {number}", timeout=60)

    writing = asyncio.create_task(write())
    try:
        async with AsyncExitStack() as exits:
            for _ in range(3):
                await deafen(watched, bob, exits)
            yield
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        for one in crowd.sockets:
            await one.close()


async def deafen(watched: Watched, person: Person, exits: AsyncExitStack) -> None:
    """A connection of `person` to the first gateway that reads nothing."""
    parts = urlsplit(watched.services.direct_url("gateway-1"))
    deaf = exits.enter_context(socket.socket())
    deaf.setblocking(False)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (parts.hostname, parts.port))
    await loop.sock_sendall(deaf, upgrade_request("/chat/ws", f"Authorization: Bearer {person.token}"))


@condition(f"Redis ends the gateways' subscriptions {CUTS} times", ChatPubSubGaps={})
async def cut(watched: Watched) -> AsyncIterator[None]:
    gaps = "sum(chat_gateway_link_gaps_total)"
    async with watched.redis_client() as redis:
        for _ in range(CUTS):
            before = await watched.prometheus.ask(gaps)
            await redis.client_kill_filter(_type="pubsub")
            await watched.scraped(before, gaps)
    yield
