"""Whole inboxes asked for again and again, and readers that don't read."""

import asyncio
import itertools
import socket as sockets
from typing import Final
from urllib.parse import urlsplit

from tools.abuse.attack import Attack
from tools.abuse.attacks.events import SOCKETS, answered, large_message
from tools.abuse.hostile import Hostile, ticks
from tools.abuse.listener import Listener

FILLING_MESSAGES: Final = 150
"""Of 24 KB each: nearly as much as an inbox holds (4 MiB)."""
RECEIVE_BYTES: Final = 4096
SLOW_BYTES_A_SECOND: Final = 20_000
SLOW_STEPS: Final = 5
"""Reads a second."""
JUNK: Final = ("x", "x" * 4_000, "0-0", "%00", "9" * 400, "MTIz.NDU2", "../../etc", "-1", "%F0%9F%99%82")


async def fill_inbox(hostile: Hostile) -> None:
    """Fill the account's inbox, and keep the cursor of its first event."""
    sender = await hostile.greeted()
    await _send_large(hostile, sender)
    await answered(hostile, sender, 1)
    hostile.cursor = sender.cursor
    for _ in range(FILLING_MESSAGES):
        await _send_large(hostile, sender)
    await answered(hostile, sender, 1 + FILLING_MESSAGES)
    hostile.told.clear()
    sender.cut()


async def _send_large(hostile: Hostile, sender: Listener) -> None:
    """A message of 24 KB, when the socket has taken the one before."""
    await hostile.send(sender, "message.send", **large_message(hostile))


async def old_cursors(hostile: Hostile) -> None:
    """Ten sockets with a cursor from before 4 MiB of events, closed and opened again as they are greeted."""

    async def again() -> None:
        while True:
            listener = await hostile.socket(cursor=hostile.cursor)
            if listener is None:
                await asyncio.sleep(1)
                continue
            await asyncio.wait([asyncio.create_task(listener.ended.wait())], timeout=1)
            listener.cut()

    await asyncio.gather(*(again() for _ in range(SOCKETS)))


async def junk_cursors(hostile: Hostile) -> None:
    """Handshakes with cursors that are none, ten a second."""
    junk = itertools.cycle(JUNK)
    async for _ in ticks(10):
        listener = await hostile.socket(cursor=next(junk))
        if listener is not None:
            asyncio.get_running_loop().call_later(1, listener.cut)


async def slow_readers(hostile: Hostile) -> None:
    """Ten sockets that read their replay of 4 MiB at 20 KB/s."""
    await asyncio.gather(*(_drip(hostile, SLOW_BYTES_A_SECOND // SLOW_STEPS) for _ in range(SOCKETS)))


async def no_readers(hostile: Hostile) -> None:
    """Ten sockets that read nothing at all, while messages of 24 KB come for them."""
    reading = [asyncio.create_task(_drip(hostile, 0)) for _ in range(SOCKETS - 1)]
    try:
        sender = await hostile.greeted()
        async for _ in ticks(12):
            await _send_large(hostile, sender)
    finally:
        for task in reading:
            task.cancel()


async def deletions(hostile: Hostile) -> None:
    """The messages in two inboxes of 4 MiB are deleted, one after the other, twice as many as are allowed."""
    sockets = await hostile.sockets(SOCKETS)
    async for number in ticks(FILLING_MESSAGES / 2):
        place = {"conversationId": hostile.conversation_id, "seq": FILLING_MESSAGES - number % FILLING_MESSAGES}
        await hostile.send(sockets[number % len(sockets)], "message.delete", **place)


async def _drip(hostile: Hostile, step_bytes: int) -> None:
    """Connect with the old cursor, and read so many bytes five times a second."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(hostile.target.url)
    while True:
        plain = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
        plain.setblocking(False)
        hostile.sent["handshakes"] += 1
        plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, RECEIVE_BYTES)
        try:
            await loop.sock_connect(plain, (parts.hostname, parts.port or 80))
            await loop.sock_sendall(plain, _upgrade(hostile, parts.netloc))
            while True:
                await asyncio.sleep(1 / SLOW_STEPS)
                if step_bytes and not await loop.sock_recv(plain, step_bytes):
                    break
        except OSError:
            hostile.told["hung up"] += 1
        finally:
            plain.close()
        await asyncio.sleep(1)


def _upgrade(hostile: Hostile, host: str) -> bytes:
    query = "" if hostile.cursor is None else f"?cursor={hostile.cursor}"
    lines = (
        f"GET /chat/ws{query} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {hostile.token()}",
    )
    return "\r\n".join((*lines, "", "")).encode()


ATTACKS: Final = (
    Attack("old-cursors", old_cursors, frozenset({"connection.success"}), fill_inbox),
    Attack("junk-cursors", junk_cursors, frozenset({"connection.success", "429"})),
    Attack("slow-readers", slow_readers, prepare=fill_inbox),
    Attack("no-readers", no_readers, prepare=fill_inbox),
    Attack("deletions", deletions, frozenset({"rate_limit_exceeded"}), fill_inbox),
)
