"""A gateway in the test's process, and the other side of it: reads its queues, and sends it events."""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import aio_pika
import httpx
import msgspec
from aio_pika.abc import AbstractChannel
from redis.asyncio import Redis

from services.gateway.app import Process, open_database, server_config
from services.gateway.drain import Drain
from services.gateway.settings import GatewaySettings
from services.gateway.transport.http_protocol import listen
from shared.lifecycle import Server, Supervisor
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import QUEUES, Queue
from shared.rabbitmq import declare
from tests.support import waiting
from tests.support.broker import empty_queues
from tests.support.plain_http import plain_http
from tests.support.sockets import RawSocket
from tools.devtoken import LOCAL_SECRET, mint, user_id

SECONDS: Final = 60.0

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T:
    """Wait until `look` returns something true, and return that. Raises TimeoutError."""
    return await waiting.eventually(look, seconds, poll_seconds=0.01)


async def until(condition: Callable[[], T], seconds: float = SECONDS) -> T:
    """Wait until `condition` returns something true, and return that. Raises TimeoutError."""

    async def look() -> T:
        return condition()

    return await eventually(look, seconds)


@dataclass
class RunningGateway:
    """One gateway, reachable at `url`."""

    process: Process
    server: Server
    url: str
    stack: AsyncExitStack

    @property
    def id(self) -> str:
        """The gateway's id."""
        return self.process.gateway_id

    async def connect(self, username: str, **options: Any) -> RawSocket:
        """Connect a user, and wait for `connection.success`. The connection is closed when the test ends."""
        token = options.pop("token", None) or mint(username)
        socket = await self.stack.enter_async_context(await RawSocket.connect(self.url, token, **options))
        await socket.expect("connection.success")
        return socket

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a plain GET."""
        return await self.request("GET", path, **options)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a plain request."""
        async with plain_http(self.url, timeout=SECONDS) as client:
            return await client.request(method, path, **options)

    async def ready(self) -> bool:
        """Return the answer of `/readyz`."""
        return (await self.get("/readyz")).status_code == 200

    async def reports_ready(self) -> bool:
        """The same without HTTP: a request each 10 ms takes more CPU than the start that it waits for."""
        ready, _ = await self.process.health.report(verbose=False)
        return ready

    async def drain(self) -> None:
        """Drain, as after SIGTERM."""
        process = self.process
        seconds = process.settings.drain_seconds
        await Drain(process.hub, process.admission, process.dispatcher.undelivered, seconds, process.idle).run()


StartGateway = Callable[..., Awaitable[RunningGateway]]
"""Starts a gateway whose settings differ as the arguments say."""


@asynccontextmanager
async def running_gateway(settings: GatewaySettings, *, wait: bool = True) -> AsyncIterator[RunningGateway]:
    """Start a gateway on a free port; with `wait`, return when it is ready."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    pool = await open_database(settings)
    process, supervisor = Process(settings, pool), Supervisor()
    listening = listen("127.0.0.1", 0)
    server = Server(server_config(process))
    process.start(supervisor)
    serving = asyncio.create_task(server.serve([listening]))
    async with AsyncExitStack() as stack:
        gateway = RunningGateway(process, server, f"http://127.0.0.1:{listening.getsockname()[1]}", stack)
        try:
            await until(lambda: server.started)
            if wait:
                await eventually(gateway.reports_ready)
            yield gateway
        finally:
            await stack.aclose()
            server.stop()
            await serving
            assert not supervisor.failed.is_set()
            await supervisor.stop()
            await process.health.stop()
            await process.partitions.aclose()
            await pool.close()


def settings_for(database: str, amqp: str, redis: str, **changes: Any) -> GatewaySettings:
    """Return the settings of a gateway under test, without limits unless the test sets some."""
    given = {
        "instance": "gateway-test",
        "database_url": database,
        "amqp_url": amqp,
        "redis_urls": redis,
        "jwt_secret": LOCAL_SECRET,
        "messages_per_minute": 0,
        "changes_per_minute": 0,
        "blocks_per_minute": 0,
        "statuses_per_minute": 0,
        "handshakes_per_minute": 0,
        "handshakes_per_second": 0,
        "drain_seconds": 0.2,
    }
    return GatewaySettings(**{**given, **changes})


@dataclass
class Backend:
    """The services behind the gateway: reads its queues, and sends events as messaging does."""

    channel: AbstractChannel
    redis: Redis

    async def take(self, queue: Queue, decoder: "msgspec.msgpack.Decoder[T]", seconds: float = SECONDS) -> T:
        """Take the next message of a queue."""
        declared = await declare(self.channel, queue)
        message = await eventually(lambda: declared.get(fail=False), seconds)
        assert message is not None
        await message.ack()
        return decoder.decode(message.body)

    async def empty(self, queue: Queue) -> bool:
        """True when a queue is empty."""
        return await (await declare(self.channel, queue)).get(fail=False) is None

    async def publish(self, gateway: RunningGateway, **content: Any) -> int:
        """Publish a downlink, and return the number of gateways that got it."""
        body = msgpack_encoder.encode(relay.Downlink(**content))
        return int(await self.redis.publish(keys.key(keys.GATEWAY, gateway.id), body))

    async def append(self, user: str, *, peer: str = "", text: str | None = None) -> relay.DurableEvent:
        """Put an event into a user's inbox, as messaging's fan-out does, and return its delivery without sending it."""
        event = text or json.dumps({"type": "message.new", "payload": {"message": {"id": str(uuid.uuid4())}}})
        offset = int(await self.redis.incr(keys.key(keys.INBOX_OFFSET, user)))
        epoch = cast("bytes", await self.redis.hget(keys.INBOX_EPOCH, "epoch")).decode()
        tag = f"{epoch}000000077"
        await self.redis.xadd(keys.key(keys.INBOX, user), {"e": event[:-1], "p": peer}, id=f"{offset}-{tag}")
        return relay.DurableEvent(user, offset, False, event[:-1], tag)

    async def deliver(self, gateways: Iterable[RunningGateway], user: str, **options: Any) -> relay.DurableEvent:
        """Put an event into a user's inbox and send it to gateways."""
        delivery = await self.append(user, **options)
        for gateway in gateways:
            await self.publish(gateway, durable_events=[delivery])
        return delivery

    async def routes(self, user: str) -> dict[str, str]:
        """Return connection id → gateway id, from Redis."""
        found = cast("dict[bytes, bytes]", await self.redis.hgetall(keys.key(keys.ROUTES, user)))
        return {connection.decode(): gateway.decode() for connection, gateway in found.items()}


@asynccontextmanager
async def backend(amqp: str, redis: str) -> AsyncIterator[Backend]:
    """Connect to both servers, and empty the queues."""
    connection = await aio_pika.connect(amqp)
    async with connection, Redis.from_url(redis) as client:
        channel = await connection.channel()
        await empty_queues(channel, QUEUES)
        yield Backend(channel, client)


def identity(username: str) -> str:
    """The user id of a test user."""
    return str(user_id(username))


def connection_id(socket: RawSocket) -> str:
    """Return the id from `connection.success`."""
    return str(socket.of_type("connection.success")[0]["payload"]["connectionId"])
