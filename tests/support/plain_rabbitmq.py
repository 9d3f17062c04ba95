"""Does what `shared/rabbitmq/frames.py` does with aio-pika and aiormq alone, by their public names only.

The contract of `shared.rabbitmq` is tested with both. A difference shows a bug of our frames, or a new version of aiormq that
behaves differently (docs/decisions/0018-message-frames-bypass-aio-pika.md).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from aiormq.connection import TCPTransportFactory, TransportFactory
from yarl import URL

from shared.rabbitmq import TRANSIENT_ERRORS, Delivery, MessageFrames, Refused, Unroutable, link
from shared.rabbitmq.errors import translate_errors


class PlainMessages:
    """Replaces `MessageFrames`: messages and acknowledgements pass through aiormq's tasks and queues."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.on_delivery: Callable[[Delivery], None] = lambda _: None
        self.heard_at = asyncio.get_running_loop().time()
        self.connection: AbstractConnection
        self.channel: AbstractChannel
        self._writer = writer
        self._detached = False
        self._settling: set[asyncio.Task[None]] = set()

    def open(self, _channel: int, _frame_bytes: int) -> None:
        """Do nothing: aiormq knows its channel."""

    @property
    def attached(self) -> bool:
        """Return True while messages can be published."""
        return not (self._detached or self._writer.is_closing())

    @property
    def blocked(self) -> bool:
        """Return True during an alarm. aiormq shows it only by `ready`: one step of that shows whether it waits."""
        assert self.connection.transport is not None
        waiting = self.connection.transport.ready().__await__()
        try:
            next(waiting)
        except StopIteration:
            return False
        waiting.close()
        return True

    def detach(self) -> None:
        """Stop delivering and settling."""
        self.on_delivery = lambda _: None
        self._detached = True

    def abort(self) -> None:
        """Cut the connection."""
        self._detached = True
        self._writer.transport.abort()

    async def publish(
        self,
        queue: str,
        body: bytes,
        *,
        persistent: bool,
        expiration_seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish to a queue and wait for the confirm. Raises Refused, AMQPError or OSError."""
        mode = aio_pika.DeliveryMode.PERSISTENT if persistent else aio_pika.DeliveryMode.NOT_PERSISTENT
        message = aio_pika.Message(body, headers=dict(headers or {}), delivery_mode=mode, expiration=expiration_seconds)
        try:
            with translate_errors():
                await self.channel.default_exchange.publish(message, queue)
        except PublishError as error:
            raise Unroutable("the queue doesn't exist") from error
        except DeliveryError as error:
            raise Refused("the queue is full, or doesn't exist") from error
        self._hear()

    def ack(self, tag: int, *, all_before: bool) -> None:
        """Acknowledge a delivery. Raises ConnectionError."""
        self._settle(lambda channel: channel.basic_ack(tag, multiple=all_before))

    def reject(self, tag: int) -> None:
        """Reject a delivery, so that it is dead-lettered. Raises ConnectionError."""
        self._settle(lambda channel: channel.basic_reject(tag, requeue=False))

    async def deliver(self, message: DeliveredMessage) -> None:
        """Called by aiormq in a task for each message; the tasks begin in order, and this one never waits."""
        self._hear()
        tag, again = message.delivery_tag or 0, bool(message.redelivered)
        properties = message.header.properties.marshal()
        self.on_delivery(Delivery(cast("MessageFrames", self), tag, properties, message.body, redelivered=again))

    def _hear(self) -> None:
        self.heard_at = asyncio.get_running_loop().time()

    def _settle(self, send: Callable[[UnderlayChannel], Awaitable[None]]) -> None:
        if not self.attached:
            raise ConnectionError("the connection was closed")
        task = asyncio.create_task(self._send(send))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _send(self, send: Callable[[UnderlayChannel], Awaitable[None]]) -> None:
        with suppress(*TRANSIENT_ERRORS), translate_errors():
            await send(await self.channel.get_underlay_channel())
            return
        self.abort()


class _PlainTransport(TransportFactory):
    """Connects as aiormq does."""

    def __init__(self) -> None:
        self.frames: PlainMessages

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await TCPTransportFactory().create(url, **kwargs)
        self.frames = PlainMessages(writer)
        return reader, writer


class PlainConnection(aio_pika.Connection):
    """aio-pika's connection, with a socket that can be cut."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.below = self.kwargs["transport_factory"] = _PlainTransport()


class PlainOpened(link.Opened):
    """An open link whose messages pass through aiormq."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel, frames: MessageFrames) -> None:
        super().__init__(connection, channel, frames)
        self._plain = cast("PlainMessages", frames)
        self._plain.connection, self._plain.channel = connection, channel

    async def consume(self, queue: str) -> str:
        """Consume a queue."""
        underlay = await self.channel.get_underlay_channel()
        return str((await underlay.basic_consume(queue, self._plain.deliver)).consumer_tag)


def use_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new links use no frames of ours until the test ends."""
    monkeypatch.setattr(link, "Connection", PlainConnection)
    monkeypatch.setattr(link, "Opened", PlainOpened)
