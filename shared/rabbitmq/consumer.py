"""Consumes one queue in batches, and acknowledges them together."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from shared.protocol.topology import Queue
from shared.rabbitmq.frames import Delivery, MessageFrames
from shared.rabbitmq.link import Link, declare

log = structlog.get_logger(__name__)

ACKNOWLEDGE_SECONDS: Final = 0.02
"""How long what is done may wait to be acknowledged together: for a quorum queue each acknowledgement is a write to disk."""


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
