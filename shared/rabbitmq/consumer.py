"""Consumes queues in batches, and acknowledges them together."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from pydantic import SecretStr

from shared.protocol.topology import HELD_BYTES, Queue
from shared.rabbitmq.errors import TRANSIENT_ERRORS, translate_errors
from shared.rabbitmq.frames import Delivery
from shared.rabbitmq.link import OPEN_SECONDS, Link, Opened
from shared.rabbitmq.queues import declare_each, exists

log = structlog.get_logger(__name__)

ACKNOWLEDGE_SECONDS: Final = 0.05
"""How long what is done may wait to be acknowledged together: for a quorum queue each acknowledgement is a write to disk."""
SUSPECT_DELIVERIES: Final = 2
"""What was delivered so often, and never settled, may be what its consumers die of."""


class Consumer:
    """Collects deliveries of one queue or of several, in order, for a single task to take in batches.

    Unsettled messages of a broken connection are dropped: the broker delivers them again.

    A process that has just started takes one message at a time for as long as those were delivered several times before.
    So a message that kills every process which handles it reaches its delivery limit alone: the others, which a full
    prefetch would have held with it each time, are not counted and not dead-lettered with it.

    `prefetch`: messages in hand at most; fewer where the queues' largest bodies would make that more than `HELD_BYTES`.
    `also`: queues that are declared, not consumed. `former`: names of earlier versions, consumed while they exist.
    """

    def __init__(
        self,
        url: SecretStr,
        name: str,
        queue: Queue | Sequence[Queue],
        *,
        prefetch: int,
        also: Iterable[Queue] = (),
        former: Iterable[str] = (),
    ) -> None:
        self._queues = (queue,) if isinstance(queue, Queue) else tuple(queue)
        self._also = tuple(also)
        self._former = tuple(former)
        self.prefetch = min(prefetch, HELD_BYTES // max(1, *(queue.body_bytes for queue in self._queues)))
        self._waiting: list[Delivery] = []
        self._arrived = asyncio.Event()
        self._done: Delivery | None = None
        self._acknowledged_tag = 0
        self._careful = True
        self._trusting = asyncio.Event()
        self._opened: Opened | None = None
        self._tags: dict[str, str] = {}
        self._subscribing = asyncio.Lock()
        self.link = Link(url, f"{name}.consume", self._open)

    async def run(self) -> None:
        """Keep the connection. Never returns."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._trust())

    @property
    def ready(self) -> bool:
        """True when deliveries can come."""
        return self.link.opened is not None

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
        if delivery.tag - self._acknowledged_tag >= self.prefetch // 2:
            self.acknowledge_done()

    def acknowledge_done(self) -> None:
        """Acknowledge what is done, now."""
        if self._done is not None:
            self._acknowledged_tag = self._done.tag
            acknowledge(self._done, all_before=True)
            self._done = None

    async def _open(self, opened: Opened) -> None:
        self._waiting.clear()
        self._arrived.clear()
        self._done, self._acknowledged_tag = None, 0
        opened.frames.on_delivery = self._on_delivery
        there = await declare_each(opened.connection, (*self._also, *self._queues))
        missing = [queue.name for queue in self._queues if queue.name not in there]
        if missing:
            raise ConnectionError(f"the broker can't give {', '.join(missing)}")
        names = [queue.name for queue in self._queues]
        names += [name for name in self._former if await exists(opened.connection, name)]
        async with self._subscribing:
            self._opened, self._tags = opened, {}
            await self._consume(opened, names, 1 if self._careful else self.prefetch)

    async def _consume(self, opened: Opened, names: Sequence[str], prefetch: int) -> None:
        await opened.channel.set_qos(prefetch_count=max(1, prefetch // len(names)))
        for name in names:
            self._tags[name] = await opened.consume(name)

    async def _trust(self) -> None:
        """Once a message comes that nobody seems to have died of, take as many as the prefetch allows."""
        await self._trusting.wait()
        async with self._subscribing:
            opened = self._opened
            if opened is None or not opened.frames.attached:
                return  # The next connection begins with the whole prefetch.
            try:
                with translate_errors():
                    async with asyncio.timeout(OPEN_SECONDS):
                        underlay = await opened.channel.get_underlay_channel()
                        for tag in self._tags.values():
                            await underlay.basic_cancel(tag)
                        await self._consume(opened, list(self._tags), self.prefetch)
            except TRANSIENT_ERRORS as error:
                log.warning("amqp.dropped", queues=list(self._tags), reason=repr(error))
                opened.frames.abort()

    def _on_delivery(self, delivery: Delivery) -> None:
        if self._careful and delivery.delivery_count < SUSPECT_DELIVERIES:
            self._careful = False
            self._trusting.set()
        self._waiting.append(delivery)
        self._arrived.set()


def acknowledge(delivery: Delivery, *, all_before: bool = False) -> None:
    """Acknowledge a delivery, and with `all_before` whatever its channel delivered before it, with the same frame.

    One of a connection that broke meanwhile is redelivered, which is no error.
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
