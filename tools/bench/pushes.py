"""`python -m tools.bench.pushes`: measures 10,000 pushes that are due at once: their rate, the notifier's memory, and how much
they delay the chat.

It needs a running stack whose notifier may post to this program's push service:
`CHAT_PUSH_ALLOWED_HOSTS=http://127.0.0.1:18999 CHAT_MESSAGES_PER_MINUTE=0 make up`. The push service stands for other machines,
so its process has the lowest priority (nice 19).
"""

import asyncio
import base64
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aio_pika
import asyncpg
import httpx
import psutil
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_UNDELIVERED
from tools.bench.beside import compare
from tools.bench.other_machine import is_other_machine, on_other_machine
from tools.devtoken import mint
from tools.target import backend_url, processes, url_of

CROWD: Final = 10_000
BATCH: Final = 200
ROUNDS: Final = 2
PORT: Final = 18_999
ORIGIN: Final = f"http://127.0.0.1:{PORT}"
SERVICE: Final = "service"
TRIES: Final = 200
POLL_SECONDS: Final = 0.1
MIB: Final = 1024 * 1024
INSERT: Final = """
INSERT INTO notifier.subscriptions (id, user_id, endpoint, p256dh, auth, key_id, token_issued_at)
SELECT gen_random_uuid(), new.user_id, $2 || '/push/' || new.user_id, s.p256dh, s.auth, s.key_id, s.token_issued_at
FROM unnest($1::uuid[]) AS new (user_id), notifier.subscriptions AS s WHERE s.endpoint = $3
"""
DELETE: Final = "DELETE FROM notifier.subscriptions WHERE starts_with(endpoint, $1)"


async def main() -> None:
    """Measure; or, in the other process, run the push service."""
    if sys.argv[1:] == [SERVICE]:
        is_other_machine()
        await serve()
    connection = await asyncpg.connect(backend_url("database", "CHAT_DATABASE_URL"))
    try:
        async with on_other_machine("tools.bench.pushes", SERVICE):
            await taken()
            users = await subscribe(connection)
            await compare(f"{CROWD} pushes", lambda: crowd(users), ROUNDS)
    finally:
        await connection.execute(DELETE, ORIGIN)
        await connection.close()


async def subscribe(connection: asyncpg.Connection) -> list[str]:
    """Subscribe a browser of each user, and return the users' ids. The first uses the API; its row is copied for the others."""
    first = f"{ORIGIN}/push/first"
    point = (
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    keys = {"p256dh": base64url(point), "auth": base64url(os.urandom(16))}
    headers = {"Authorization": f"Bearer {mint('bench-pushed')}"}
    async with httpx.AsyncClient(base_url=url_of(None), headers=headers) as http:
        answer = await http.put("/chat/push/subscriptions", json={"endpoint": first, "keys": keys})
        answer.raise_for_status()
    users = [str(uuid.uuid4()) for _ in range(CROWD)]
    await connection.execute(INSERT, users, ORIGIN, first)
    return users


@asynccontextmanager
async def crowd(users: list[str]) -> AsyncIterator[asyncio.Event]:
    """Request a push for each user, all due now. When the last one has arrived, print rate and memory, and set the event."""
    before, base, began = await taken(), resident(), time.monotonic()
    await report(users)
    over = asyncio.Event()

    async def watch() -> None:
        most = base
        async with asker() as http:
            while (sent := await count(http) - before) < CROWD:
                most = max(most, resident())
                await asyncio.sleep(POLL_SECONDS)
        took = time.monotonic() - began
        rate = f"{sent} pushes in {took:.1f} s, {sent / took:.0f} a second"
        print(f"{rate}; notifier {base:.0f} MiB at rest, {most:.0f} MiB at most", flush=True)
        over.set()

    watching = asyncio.create_task(watch())
    try:
        yield over
        await watching
    finally:
        watching.cancel()


async def report(users: list[str]) -> None:
    """Publish undelivered messages as messaging does, with their delay already over."""
    connection = await aio_pika.connect(backend_url("amqp", "CHAT_AMQP_URL"))
    async with connection, connection.channel() as channel:
        for first in range(0, len(users), BATCH):
            batch = relay.UndeliveredBatch([undelivered(user) for user in users[first : first + BATCH]])
            message = aio_pika.Message(msgpack_encoder.encode(batch), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, NOTIFIER_UNDELIVERED.name)


def undelivered(receiver_id: str) -> relay.Undelivered:
    """Return an undelivered message of now."""
    message_id, conversation_id, sender_id = (str(uuid.uuid4()) for _ in range(3))
    return relay.Undelivered(
        message_id=message_id,
        conversation_id=conversation_id,
        seq=1,
        sender_id=sender_id,
        sender_username="bench",
        receiver_id=receiver_id,
        type="text",
        preview="Hello there!",
        created_at_ms=time.time_ns() // 1_000_000,
    )


async def serve() -> None:
    """Accept pushes, and return their number when asked. Never returns."""
    pushes = 0

    async def push(request: web.Request) -> web.Response:
        nonlocal pushes
        await request.read()
        pushes += 1
        return web.Response(status=201)

    async def counted(_request: web.Request) -> web.Response:
        return web.json_response(pushes)

    app = web.Application()
    app.router.add_post("/push/{token}", push)
    app.router.add_get("/count", counted)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    await asyncio.Event().wait()


def asker() -> httpx.AsyncClient:
    """Return a client of the push service. Keep it: creating one may block for 30 ms, which would delay acknowledgements."""
    return httpx.AsyncClient(base_url=ORIGIN, trust_env=False, verify=False)  # noqa: S501 - plain HTTP to ourselves


async def count(http: httpx.AsyncClient) -> int:
    """Return how many pushes the service has accepted."""
    return int((await http.get("/count")).json())


async def taken() -> int:
    """Wait until the service has started, and return how many pushes it has accepted. Raises httpx.TransportError."""
    async with asker() as http:
        for _ in range(TRIES):
            with suppress(httpx.TransportError):
                return await count(http)
            await asyncio.sleep(POLL_SECONDS)
        return await count(http)


def base64url(data: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def resident() -> float:
    """Return the resident memory of all notifiers, in MiB."""
    pids = [process.pid for process in processes() if process.name.startswith("notifier-")]
    return float(sum(psutil.Process(pid).memory_info().rss for pid in pids) / MIB)


if __name__ == "__main__":
    asyncio.run(main())
