"""Clients that read slowly, through the load balancer: one that continues to read keeps its connection."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.e2e.conftest import Pair
from tests.support.people import Person, text_message
from tests.support.stack import Stack
from tests.support.tcp import upgrade_request

SLOW_BYTES_A_SECOND = 20_000
LARGE_EVENTS = 14
LARGE_CONTENT = "x" * 3_900
MEDIA = [{"url": "https://media.example/" + "z" * 1_500, "type": "image"} for _ in range(10)]


@asynccontextmanager
async def connection(url: str, receive_bytes: int | None = None) -> AsyncIterator[socket.socket]:
    """A TCP connection to the load balancer."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setblocking(False)
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(client, (parts.hostname, parts.port))
        yield client


async def test_a_slow_reader_gets_its_whole_replay_on_one_connection(pair: Pair, stack: Stack) -> None:
    """It takes longer than the 10 s after which one that reads nothing is closed."""
    first, sender = await pair.bob.connect(), await pair.alice.connect()
    await sender.send("message.send", **text_message(pair.conversation, "first", "t0"))
    cursor = (await first.expect("message.new"))["cursor"]
    await first.close()
    for number in range(LARGE_EVENTS):
        large = text_message(pair.conversation, f"{number:02d}{LARGE_CONTENT}", f"large {number}", media=MEDIA)
        await sender.send("message.send", **large)
        await sender.expect("message.sent", tempId=f"large {number}")
    began = time.monotonic()
    assert await numbers_read_slowly(stack.url, pair.bob, cursor) == list(range(LARGE_EVENTS))
    assert time.monotonic() - began > 10


async def numbers_read_slowly(url: str, person: Person, cursor: str) -> list[int]:
    """The numbers of the large events that a client at 20 KB/s gets on one connection with a cursor."""
    loop, got = asyncio.get_running_loop(), b""
    lines = upgrade_request(f"/chat/ws?cursor={cursor}", f"Authorization: Bearer {person.token}")
    async with connection(url, receive_bytes=4096) as client, asyncio.timeout(100):
        await loop.sock_sendall(client, lines)
        while len(numbers := re.findall(rb'"content":"(\d\d)x', got)) < LARGE_EVENTS:
            chunk = await loop.sock_recv(client, SLOW_BYTES_A_SECOND // 5)
            assert chunk, "the connection was closed"
            got += chunk
            await asyncio.sleep(0.2)
    return [int(number) for number in numbers]
