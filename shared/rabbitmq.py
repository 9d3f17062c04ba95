"""RabbitMQ: a connection that comes back by itself, publishing with confirms, and consuming in batches.

Publishers and consumers use separate connections: a memory or disk alarm blocks connections that publish
(RabbitMQ documentation, «Memory and Disk Alarms»), and must not stop acknowledgements.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.exceptions import AMQPError
from pydantic import SecretStr

from shared.amqp import Delivery, MessageFrames, Transport
from shared.protocol.topology import Queue

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 10
CONFIRM_SECONDS: Final = 5
CONNECT_SECONDS: Final = 5
MAX_BACKOFF_SECONDS: Final = 3
ACKNOWLEDGE_SECONDS: Final = 0.02
"""How long what is done may wait to be acknowledged together: for a quorum queue each acknowledgement is a write to disk."""

TRANSIENT_ERRORS: Final = (AMQPError, OSError, TimeoutError)
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


class _Connection(aio_pika.Connection):
    """aio-pika's, with `MessageFrames` below it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.below = self.kwargs["transport_factory"] = Transport()


class Link:
    """One connection with one channel, made again whenever it breaks. `run` keeps it; `frames` is None while it is down.

    aio-pika's own robust connection retries every 5 s without jitter and hides the break; here the break is seen, so
    that publishers can fail fast and consumers drop what they no longer may acknowledge.
    """

    def __init__(
        self, url: SecretStr, name: str, on_open: Callable[[AbstractChannel, MessageFrames], Awaitable[None]]
    ) -> None:
        self._url = url.get_secret_value()
        self._name = name
        self._on_open = on_open
        self.frames: MessageFrames | None = None
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
        return self.frames is not None and not self.blocked

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
            connection_class=_Connection,
        )
        frames = connection.below.frames
        closed = asyncio.Event()
        connection.close_callbacks.add(lambda *_: closed.set())

        async def on_cancel(_frame: object) -> None:
            """The broker ended a consumer, as when its queue was deleted: with a new connection it is declared again."""
            closed.set()

        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                channel.close_callbacks.add(lambda *_: closed.set())
                underlay = await channel.get_underlay_channel()
                frames.open(underlay.number, underlay.connection.connection_tune.frame_max)
                underlay.on_consumer_cancel_callbacks.add(on_cancel)
                await self._on_open(channel, frames)
            self.frames = frames
            self._connection = connection
            log.info("amqp.connected", link=self._name)
            await closed.wait()
            log.warning("amqp.disconnected", link=self._name)
        finally:
            self.frames = None
            self._connection = None
            frames.detach()
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

        Raises BrokerUnavailable when nothing was sent; TimeoutError, AMQPError or OSError when the outcome is
        unknown or the broker refused: send the same again.
        """
        frames = self.link.frames
        if frames is None or self.link.blocked:
            raise BrokerUnavailable("no connection to the broker" if frames is None else "the broker is blocked")
        async with asyncio.timeout(CONFIRM_SECONDS):
            await frames.publish(
                queue.name, body, persistent=persistent, expiration_seconds=expiration_seconds, headers=headers
            )

    async def _open(self, channel: AbstractChannel, _frames: MessageFrames) -> None:
        for queue in self._queues:
            await declare(channel, queue)


class Consumer:
    """Collects deliveries of one queue, in order, for a single task to take in batches.

    Unsettled messages of a broken connection are dropped: the broker delivers them again.
    """

    def __init__(self, url: SecretStr, name: str, queue: Queue, *, prefetch: int, also: Iterable[Queue] = ()) -> None:
        self._queue = queue
        self._also = tuple(also)
        self._prefetch = prefetch
        self._waiting: list[Delivery] = []
        self._arrived = asyncio.Event()
        self._done: Delivery | None = None
        self._acknowledged_tag = 0
        self.link = Link(url, f"{name}.consume", self._open)

    async def run(self) -> None:
        """Keep the connection. Never returns."""
        await self.link.run()

    @property
    def ready(self) -> bool:
        """True when deliveries can come."""
        return self.link.frames is not None

    async def take(self, most: int) -> list[Delivery]:
        """Wait for deliveries, and take up to `most`, oldest first."""
        await self._arrived.wait()
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        if not self._waiting:
            self._arrived.clear()
        return taken

    def done(self, delivery: Delivery) -> None:
        """This delivery is done, and so is all that came before it: both are acknowledged soon, with others.

        At once when half of the prefetch waits for it.
        """
        if delivery.lost:
            return
        if self._done is None:
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_SECONDS, self.acknowledge_done)
        self._done = delivery
        if delivery.tag - self._acknowledged_tag >= self._prefetch // 2:
            self.acknowledge_done()

    def acknowledge_done(self) -> None:
        """Acknowledge what is done, now."""
        if self._done is not None:
            self._acknowledged_tag = self._done.tag
            acknowledge(self._done, all_before=True)
            self._done = None

    async def _open(self, channel: AbstractChannel, frames: MessageFrames) -> None:
        self._waiting.clear()
        self._arrived.clear()
        self._done, self._acknowledged_tag = None, 0
        frames.on_delivery = self._on_delivery
        await channel.set_qos(prefetch_count=self._prefetch)
        for queue in self._also:
            await declare(channel, queue)
        await declare(channel, self._queue)
        underlay = await channel.get_underlay_channel()
        await underlay.basic_consume(self._queue.name, _never)

    def _on_delivery(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self._arrived.set()


async def _never(_message: object) -> None:
    """What aiormq would call: deliveries don't come as far."""
    raise AssertionError("a delivery went past MessageFrames")


def acknowledge(delivery: Delivery, *, all_before: bool = False) -> None:
    """Acknowledge a delivery, and with `all_before` whatever its channel delivered before it, with the same frame.

    One of a connection that broke meanwhile comes again, which is no error.
    """
    try:
        delivery.ack(all_before=all_before)
    except ConnectionError:
        log.info("amqp.ack_lost", delivery_tag=delivery.tag)


def reject(delivery: Delivery) -> None:
    """Send a delivery that can't be handled to its queue's dead letters."""
    try:
        delivery.reject()
    except ConnectionError:
        log.info("amqp.reject_lost", delivery_tag=delivery.tag)
