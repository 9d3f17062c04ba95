"""One connection to RabbitMQ that comes back by itself.

Publishers and consumers use separate connections: a memory or disk alarm blocks connections that publish
(RabbitMQ documentation, «Memory and Disk Alarms»), and must not stop acknowledgements.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from pydantic import SecretStr

from shared.protocol.topology import Queue
from shared.rabbitmq.errors import TRANSIENT_ERRORS, translate_errors
from shared.rabbitmq.frames import MessageFrames, Transport

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 10
CONNECT_SECONDS: Final = 5
MAX_BACKOFF_SECONDS: Final = 3


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
                with translate_errors():
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
            with translate_errors():
                await connection.close()
    except TRANSIENT_ERRORS:
        return
