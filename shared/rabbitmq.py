"""RabbitMQ: a connection that comes back by itself, publishing with confirms, and consuming in batches.

Publishers and consumers use separate connections: a memory or disk alarm blocks connections that publish
(RabbitMQ documentation, «Memory and Disk Alarms»), and must not stop acknowledgements.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import AMQPError
from pydantic import SecretStr

from shared.protocol.topology import Queue

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 10
CONFIRM_SECONDS: Final = 5
CONNECT_SECONDS: Final = 5
MAX_BACKOFF_SECONDS: Final = 3

TRANSIENT_ERRORS: Final = (AMQPError, OSError, TimeoutError, aio_pika.exceptions.DeliveryError)
"""Errors after which the same publish may succeed."""


class BrokerUnavailable(Exception):
    """There is no connection to publish on right now, or the broker blocks publishers."""


@contextmanager
def _honestly() -> Iterator[None]:
    """Tell a closing connection from a cancelled task, which aiormq 7.2 confuses.

    It ends what waits on a connection that closes with a bare `Exception` or with CancelledError (`aiormq.base.FutureStore`),
    and a handshake that is cut off with StopAsyncIteration (`FrameReceiver.get_frame`); aio-pika and uvloop raise
    RuntimeError for what is closing. All become ConnectionError, or a task would die of them unnoticed. And a task that is
    cancelled in that moment gets the bare `Exception`: that becomes CancelledError, or the task would live on.
    """
    task = asyncio.current_task()
    try:
        yield
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("the connection was closed") from None
    except Exception as error:
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        if type(error) is Exception or isinstance(error, StopAsyncIteration | RuntimeError):
            raise ConnectionError("the connection was closed") from error
        raise


async def declare(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    """Declare `queue`, and the one for its dead letters is declared by itself. Raises AMQPError on other arguments."""
    return await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments or None)


class Link:
    """One connection with one channel, made again whenever it breaks. `run` keeps it; `channel` is None while it is down.

    aio-pika's own robust connection retries every 5 s without jitter and hides the break; here the break is seen, so
    that publishers can fail fast and consumers drop what they no longer may acknowledge.
    """

    def __init__(self, url: SecretStr, name: str, on_open: Callable[[AbstractChannel], Awaitable[None]]) -> None:
        self._url = url.get_secret_value()
        self._name = name
        self._on_open = on_open
        self.channel: AbstractChannel | None = None
        self._connection: AbstractConnection | None = None

    @property
    def blocked(self) -> bool:
        """True while a memory or disk alarm makes the broker refuse publishers (extension «Blocked Connections»).

        aiormq 7.2 tells nobody: it waits inside publish, without limit. Its own event is read; a test holds us to it.
        """
        transport = None if self._connection is None else self._connection.transport
        unblocked = getattr(getattr(transport, "connection", None), "_Connection__connection_unblocked", None)
        return unblocked is not None and not unblocked.is_set()

    @property
    def usable(self) -> bool:
        """True when the link is open and the broker takes messages."""
        return self.channel is not None and not self.blocked

    async def run(self) -> None:
        """Connect, hold the connection until it breaks, and connect again with full-jitter backoff. Never returns."""
        attempt = 0
        while True:
            try:
                with _honestly():
                    await self._hold()
                attempt = 0
            except TRANSIENT_ERRORS as error:
                log.warning("amqp.unavailable", link=self._name, error=repr(error))
            attempt = min(attempt + 1, 6)
            await asyncio.sleep(random.uniform(0.05, min(MAX_BACKOFF_SECONDS, 0.1 * 2**attempt)))  # noqa: S311

    async def _hold(self) -> None:
        """One life of the connection; returns when it has ended."""
        connection = await aio_pika.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            heartbeat=HEARTBEAT_SECONDS,
            client_properties={"connection_name": self._name},
        )
        closed = asyncio.Event()
        connection.close_callbacks.add(lambda *_: closed.set())
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                channel.close_callbacks.add(lambda *_: closed.set())
                await self._on_open(channel)
            self.channel = channel
            self._connection = connection
            log.info("amqp.connected", link=self._name)
            await closed.wait()
            log.warning("amqp.disconnected", link=self._name)
        finally:
            self.channel = None
            self._connection = None
            await asyncio.shield(_close_quietly(connection))


async def _close_quietly(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(2):
            with _honestly():
                await connection.close()
    except TRANSIENT_ERRORS:
        return


class Publisher:
    """Publishes persistent messages with confirm, or transient ones without waiting. Declares `queues` on each connect."""

    def __init__(self, url: SecretStr, name: str, queues: Iterable[Queue]) -> None:
        self._queues = tuple(queues)
        self.link = Link(url, f"{name}.publish", self._open)

    async def run(self) -> None:
        """Keep the connection. Never returns."""
        await self.link.run()

    @property
    def ready(self) -> bool:
        """True when a publish can be tried."""
        return self.link.usable

    async def publish(
        self,
        queue: Queue,
        body: bytes,
        *,
        expiration_seconds: float | None = None,
        persistent: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish and wait for the broker's confirm, at most 5 s.

        Raises BrokerUnavailable when nothing was sent; TimeoutError, AMQPError or DeliveryError when the outcome is
        unknown or the broker refused: send the same again.
        """
        channel = self.link.channel
        if channel is None or self.link.blocked:
            raise BrokerUnavailable("no connection to the broker" if channel is None else "the broker is blocked")
        mode = aio_pika.DeliveryMode.PERSISTENT if persistent else aio_pika.DeliveryMode.NOT_PERSISTENT
        message = aio_pika.Message(body, headers=dict(headers or {}), delivery_mode=mode, expiration=expiration_seconds)
        async with asyncio.timeout(CONFIRM_SECONDS):
            with _honestly():
                await channel.default_exchange.publish(message, routing_key=queue.name)

    async def _open(self, channel: AbstractChannel) -> None:
        for queue in self._queues:
            await declare(channel, queue)


class Consumer:
    """Collects deliveries of one queue, in order, for a single task to take in batches.

    aio-pika runs each delivery in a task of its own; here the callback only appends. Unsettled messages of a broken
    connection are dropped: the broker delivers them again.
    """

    def __init__(self, url: SecretStr, name: str, queue: Queue, *, prefetch: int, also: Iterable[Queue] = ()) -> None:
        self._queue = queue
        self._also = tuple(also)
        self._prefetch = prefetch
        self._waiting: list[AbstractIncomingMessage] = []
        self._arrived = asyncio.Event()
        self.link = Link(url, f"{name}.consume", self._open)

    async def run(self) -> None:
        """Keep the connection. Never returns."""
        await self.link.run()

    @property
    def ready(self) -> bool:
        """True when deliveries can come."""
        return self.link.channel is not None

    async def take(self, most: int) -> list[AbstractIncomingMessage]:
        """Wait for deliveries, and take up to `most`, oldest first."""
        await self._arrived.wait()
        return self.take_waiting(most)

    def take_waiting(self, most: int) -> list[AbstractIncomingMessage]:
        """Take up to `most` of the deliveries that are there, perhaps none, oldest first."""
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        if not self._waiting:
            self._arrived.clear()
        return taken

    async def _open(self, channel: AbstractChannel) -> None:
        self._waiting.clear()
        self._arrived.clear()
        await channel.set_qos(prefetch_count=self._prefetch)
        for queue in self._also:
            await declare(channel, queue)
        await (await declare(channel, self._queue)).consume(self._on_delivery)

    async def _on_delivery(self, message: AbstractIncomingMessage) -> None:
        self._waiting.append(message)
        self._arrived.set()


async def acknowledge(message: AbstractIncomingMessage, *, all_before: bool = False) -> None:
    """Acknowledge a message, and with `all_before` whatever its channel delivered before it, with the same frame.

    One of a connection that broke meanwhile comes again, which is no error.
    """
    try:
        with _honestly():
            await message.ack(multiple=all_before)
    except TRANSIENT_ERRORS:
        log.info("amqp.ack_lost", delivery_tag=message.delivery_tag)


async def reject(message: AbstractIncomingMessage) -> None:
    """Send a message that can't be handled to its queue's dead letters."""
    try:
        with _honestly():
            await message.reject(requeue=False)
    except TRANSIENT_ERRORS:
        log.info("amqp.reject_lost", delivery_tag=message.delivery_tag)
