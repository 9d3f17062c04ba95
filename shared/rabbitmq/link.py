"""One connection to RabbitMQ, which reconnects by itself.

Publishers and consumers use separate connections, because a memory or disk alarm blocks connections that publish (RabbitMQ
documentation, «Memory and Disk Alarms»), and acknowledgements must go on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url
from aiormq.abc import FieldTable
from aiormq.connection import SSLContextProvider, TransportFactory
from pydantic import SecretStr
from yarl import URL

from shared.rabbitmq.errors import TRANSIENT_ERRORS, translate_errors
from shared.rabbitmq.frames import MessageFrames
from shared.rabbitmq.hosts import split_hosts
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

C = TypeVar("C", bound=aio_pika.Connection)

HEARTBEAT_SECONDS: Final = 10
"""A broker with nothing else to send sends a heartbeat after half of this time (RabbitMQ, «Detecting Dead TCP Connections»)."""
SILENCE_SECONDS: Final = 15.0
"""When the broker has sent nothing for this long, three heartbeats, it is gone. aiormq would wait for 33 s."""
LOOK_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 0.5
CONNECT_SECONDS: Final = 5
"""Time limit to connect, with name resolution and TLS."""
OPEN_SECONDS: Final = 10
"""Time limit to open the channel, declare queues and start consumers; a quorum queue may be electing its leader meanwhile."""
CLOSE_SECONDS: Final = 1
MAX_BACKOFF_SECONDS: Final = 3


class _Transport(TransportFactory):
    """Connects as aiormq does, but with `MessageFrames` as the protocol. Makes one connection."""

    def __init__(self) -> None:
        self.frames: MessageFrames

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        tls: SSLContextProvider = kwargs.pop("ssl_context_provider")
        context = await tls.get_context() if url.scheme == "amqps" else None
        reader = asyncio.StreamReader(loop=loop)
        self.frames = MessageFrames(reader)
        transport, _ = await loop.create_connection(
            lambda: self.frames, url.host or "", url.port or 0, ssl=context, **kwargs
        )
        return reader, asyncio.StreamWriter(transport, self.frames, reader, loop)


class Connection(aio_pika.Connection):
    """aio-pika's connection, with `MessageFrames` as its protocol."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.below = self.kwargs["transport_factory"] = _Transport()


class Opened:
    """A link while it is connected: its `connection`, the one `channel` for messages, and the `frames` of the socket."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel, frames: MessageFrames) -> None:
        self.connection = connection
        self.channel = channel
        self.frames = frames

    async def consume(self, queue: str) -> str:
        """Have the broker deliver the messages of a queue to `frames`. Returns the consumer's tag. Raises aiormq's errors."""
        underlay = await self.channel.get_underlay_channel()
        answer = await underlay.basic_consume(queue, _never)
        return str(answer.consumer_tag)


async def _never(_message: object) -> None:
    """Aiormq's callback for deliveries. `MessageFrames` takes them all, so it is never called."""
    raise AssertionError("a delivery went past MessageFrames")


class Link:
    """One connection with one channel. `run` connects, and reconnects when it breaks; `opened` is None while it is down.

    The URL may name several hosts: after a break the next host is tried at once.

    aio-pika's own robust connection retries every 5 s without jitter, and hides the break. This class shows it, so that
    publishers fail fast, and consumers drop deliveries that they can no longer acknowledge.
    """

    def __init__(self, url: SecretStr, name: str, on_open: Callable[[Opened], Awaitable[None]]) -> None:
        self._urls = split_hosts(url.get_secret_value())
        random.shuffle(self._urls)
        self._name = name
        self._on_open = on_open
        self.opened: Opened | None = None

    @property
    def blocked(self) -> bool:
        """True while a memory or disk alarm makes the broker refuse publishers."""
        return self.opened is not None and self.opened.frames.blocked

    @property
    def usable(self) -> bool:
        """True when the link is open and the broker accepts messages."""
        return self.opened is not None and not self.opened.frames.blocked

    def drop(self, reason: str) -> None:
        """Drop the connection, because the broker doesn't seem to answer. `run` makes a new one."""
        if self.opened is not None:
            log.warning("amqp.dropped", link=self._name, reason=reason)
            self.opened.frames.abort()

    async def run(self) -> None:
        """Connect, hold the connection until it breaks, and connect again with full-jitter backoff. Never returns."""
        failures = 0
        while True:
            try:
                with translate_errors():
                    await self._run_connection(self._urls[0])
                failures = 0
            except TRANSIENT_ERRORS as error:
                failures += 1
                log.warning("amqp.not_connected", link=self._name, error=repr(error))
            self._urls.append(self._urls.pop(0))
            # Another host may answer at once, so pauses grow only when all hosts have failed.
            rounds = min(failures // len(self._urls), 6)
            await asyncio.sleep(random.uniform(0.05, min(MAX_BACKOFF_SECONDS, 0.2 * 2**rounds)))  # noqa: S311

    async def _run_connection(self, url: str) -> None:
        """Connect, and return when the connection has ended."""
        properties: FieldTable = {"connection_name": self._name}
        connection = await open_or_close(
            Connection(make_url(url, heartbeat=HEARTBEAT_SECONDS), client_properties=properties)
        )
        frames = connection.below.frames
        closed = asyncio.Event()
        connection.close_callbacks.add(lambda *_: closed.set())

        async def on_cancel(_frame: object) -> None:
            """Reconnect when the broker ends a consumer, for example after its queue was deleted: `on_open` declares it again."""
            closed.set()

        try:
            async with asyncio.timeout(OPEN_SECONDS):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                channel.close_callbacks.add(lambda *_: closed.set())
                underlay = await channel.get_underlay_channel()
                frames.open(underlay.number, underlay.connection.connection_tune.frame_max)
                underlay.on_consumer_cancel_callbacks.add(on_cancel)
                opened = Opened(connection, channel, frames)
                await self._on_open(opened)
            _end_if_cancelled()
            self.opened = opened
            log.info("amqp.connected", link=self._name)
            watching = asyncio.create_task(self._watch(frames))
            try:
                await closed.wait()
            finally:
                watching.cancel()
            log.warning("amqp.disconnected", link=self._name)
        finally:
            self.opened = None
            frames.detach()
            await asyncio.shield(_close_quietly(connection))

    async def _watch(self, frames: MessageFrames) -> None:
        """Drop the connection when the broker is silent: the other end of a half-open one is never heard of again."""
        loop, looks = asyncio.get_running_loop(), 0
        # Two looks: after a pause of this process, the first one comes before what has arrived meanwhile is read.
        while looks < 2:
            await (asyncio.sleep(LOOK_AGAIN_SECONDS) if looks else next_tick(LOOK_SECONDS))
            looks = looks + 1 if loop.time() - frames.heard_at >= SILENCE_SECONDS else 0
        self.drop(f"no frame for {SILENCE_SECONDS:.0f} s, not even a heartbeat")


async def open_or_close(connection: C) -> C:
    """Open an aio-pika connection, and return it. Raises OSError, TimeoutError or AMQPError.

    One that failed or was cancelled is closed here: aio-pika's own `connect` leaves that to the garbage collector.
    """
    try:
        await connection.connect(timeout=CONNECT_SECONDS)
    except BaseException:
        await connection.close()
        raise
    return connection


def _end_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled: aiormq sometimes swallows that while a channel opens.

    Nobody cancels a second time: a TaskGroup, as consumers have, cancels its tasks once. Where aiormq turns the cancellation into
    another error, `translate_errors` handles it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _close_quietly(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            with translate_errors():
                await connection.close()
    except TRANSIENT_ERRORS:
        return
