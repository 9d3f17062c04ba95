"""Takes messages of queues in batches, and acknowledges them together."""

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
"""How long a handled message waits to be acknowledged together with others: each acknowledgement writes a quorum queue's log."""
SUSPECT_DELIVERIES: Final = 2
"""A message that was delivered this often and never settled may be what kills its consumers."""


class Consumer:
    """Collects deliveries of one queue or of several, in order; a single task takes them in batches.

    When the connection breaks, unsettled messages are dropped here, and the broker redelivers them.

    A new process takes one message at a time, as long as these messages have been delivered several times before. So a message
    that kills every process that handles it reaches its delivery limit alone. With a full prefetch, other messages would be held
    with it each time, would be counted too, and would become dead letters with it.

    `prefetch`: the most unsettled messages; fewer if their largest possible bodies would exceed `HELD_BYTES`. `also`: queues that
    are declared but not consumed. `former`: queues of earlier versions, which are consumed as long as they exist.
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
        """Connect, and reconnect when the connection breaks. Never returns."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._trust())

    @property
    def ready(self) -> bool:
        """True when the broker can deliver messages."""
        return self.link.opened is not None

    async def take(self, most: int) -> list[Delivery]:
        """Wait for deliveries, and return up to `most` of them, oldest first."""
        await self._arrived.wait()
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        if not self._waiting:
            self._arrived.clear()
        return taken

    def done(self, delivery: Delivery) -> None:
        """Note that this delivery and all before it are handled. They are acknowledged together, after `ACKNOWLEDGE_SECONDS`.

        They are acknowledged at once when they are half of the prefetch.
        """
        if delivery.lost:
            return
        if self._done is None:
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_SECONDS, self.acknowledge_done)
        self._done = delivery
        if delivery.tag - self._acknowledged_tag >= self.prefetch // 2:
            self.acknowledge_done()

    def acknowledge_done(self) -> None:
        """Acknowledge all handled deliveries now."""
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
            raise ConnectionError(f"the broker has no usable queue {', '.join(missing)}")
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
        """Wait for a message that seems harmless, then raise the prefetch from one message to its full value."""
        await self._trusting.wait()
        async with self._subscribing:
            opened = self._opened
            if opened is not None and opened.frames.attached:
                await self._consume_more(opened)
            # Otherwise the next connection begins with the full prefetch.

    async def _consume_more(self, opened: Opened) -> None:
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
    """Acknowledge a delivery; with `all_before`, also all earlier deliveries of its channel, by the same frame.

    If its connection has broken meanwhile, the broker redelivers it. That is no error.
    """
    try:
        delivery.ack(all_before=all_before)
    except ConnectionError:
        log.info("amqp.ack_lost", delivery_tag=delivery.tag)


def reject(delivery: Delivery) -> None:
    """Have the broker move a delivery that can't be handled to its queue's dead letters."""
    try:
        delivery.reject()
    except ConnectionError:
        log.info("amqp.reject_lost", delivery_tag=delivery.tag)
