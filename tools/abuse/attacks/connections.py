"""What happens before an event or a request is complete: handshakes, and clients that take their time."""

import asyncio
import itertools
from typing import Final
from urllib.parse import urlsplit

from tools.abuse.attack import Attack
from tools.abuse.attacks.social import TOO_MANY, parallel
from tools.abuse.hostile import HANG_UPS, Hostile, Http, ticks

SLOW_REQUESTS: Final = 200
DRIP_SECONDS: Final = 1.0
BODY_BYTES: Final = 60_000
PATHS: Final = (
    ("POST", "/chat/conversations"),
    ("PATCH", "/chat/users/me"),
    ("PUT", "/chat/push/subscriptions"),
    ("POST", "/chat/uploads"),
    ("PUT", "/chat/follows/nobody"),
    ("POST", "/chat/reports"),
    ("POST", "/chat/ws"),
)


async def handshakes(hostile: Hostile) -> None:
    """Handshakes with and without a cursor, 50 a second."""
    queries = itertools.cycle((None, "x"))
    async for _ in ticks(50):
        listener = await hostile.socket(cursor=next(queries))
        if listener is not None:
            listener.cut()


async def plain_gets(hostile: Hostile) -> None:
    """Plain `GET`s of the WebSocket's address on ten connections, without pause."""

    async def again(http: Http) -> None:
        while True:
            await http.call("GET", "/chat/ws?cursor=x")

    await parallel(hostile, again, 10)


async def slow_bodies(hostile: Hostile) -> None:
    """200 requests whose bodies come at one byte a second."""
    targets = itertools.islice(itertools.cycle(PATHS), SLOW_REQUESTS)
    await asyncio.gather(*(_drip(hostile, method, path) for method, path in targets))


async def slow_heads(hostile: Hostile) -> None:
    """200 requests whose headers come at one byte a second."""
    await asyncio.gather(*(_drip_bytes(hostile, b"GET /chat/users/me HTTP/1.1\r\nX: ") for _ in range(SLOW_REQUESTS)))


async def _drip(hostile: Hostile, method: str, path: str) -> None:
    host = urlsplit(hostile.target.url).netloc
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {hostile.token()}",
        "Content-Type: application/json",
        f"Content-Length: {BODY_BYTES}",
    )
    await _drip_bytes(hostile, "\r\n".join((*lines, "", "")).encode())


async def _drip_bytes(hostile: Hostile, beginning: bytes) -> None:
    """Send `beginning`, then a byte a second, until the other side answers or hangs up; then again."""
    parts = urlsplit(hostile.target.url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            hostile.sent["requests"] += 1
            try:
                writer.write(beginning)
                hostile.sent["bytes"] += len(beginning)
                answer = asyncio.create_task(reader.read(4096))
                while not answer.done():
                    writer.write(b" ")
                    hostile.sent["bytes"] += 1
                    await asyncio.wait([answer], timeout=DRIP_SECONDS)
                head = answer.result()
                hostile.told[head[9:12].decode() if head else "hung up"] += 1
            finally:
                writer.close()
        except HANG_UPS:
            hostile.told["hung up"] += 1
        await asyncio.sleep(DRIP_SECONDS)


ATTACKS: Final = (
    Attack("handshakes", handshakes, TOO_MANY, seconds=3),
    Attack("plain-gets", plain_gets, TOO_MANY),
    Attack("slow-bodies", slow_bodies),
    Attack("slow-heads", slow_heads),
)
