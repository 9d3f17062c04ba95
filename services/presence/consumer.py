"""From AMQP messages to typed batches, handled in cycles: all that is waiting in a lane is one cycle."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from services.presence import metrics
from services.presence.lanes import Lane
from services.presence.outage import outlast
from shared import rabbitmq
from shared.rabbitmq import Consumer, acknowledge, reject

log = structlog.get_logger(__name__)

Batch = TypeVar("Batch")
MESSAGES_PER_CYCLE: Final = 32


@dataclass(slots=True)
class Delivery:
    """A message, how many lanes still have a share of it, and why it can't be handled, if it can't."""

    message: rabbitmq.Delivery
    left: int
    fault: str | None = None


Share = tuple[Delivery, Batch]


class Intake(Generic[Batch]):
    """One queue's messages, decoded and split into lanes, each of which handles its shares in order.

    A message is acknowledged when all that it asks is done. `split` gives a batch's share of each lane.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        decoder: msgspec.msgpack.Decoder[Batch],
        split: Callable[[Batch], Mapping[Lane, Batch]],
        handle: Callable[[list[Batch]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._decoder = decoder
        self._split = split
        self._handle = handle
        self._waiting: dict[Lane, asyncio.Queue[Share[Batch]]] = {}
        self._working: dict[Lane, asyncio.Lock] = {}
        self._draining = False

    async def run(self) -> None:
        """Handle messages for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for message in await self._consumer.take(MESSAGES_PER_CYCLE):
                    self._sort_in(message, tasks)

    async def drain(self) -> None:
        """Wait for the cycles under way; no other begins. What was taken since is delivered to another replica."""
        self._draining = True
        await asyncio.gather(*(working.acquire() for working in self._working.values()))

    def _sort_in(self, message: rabbitmq.Delivery, tasks: asyncio.TaskGroup) -> None:
        try:
            shares = self._split(self._decoder.decode(message.body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._bury(message, repr(error))
            return
        if not shares:
            acknowledge(message)
        delivery = Delivery(message, len(shares))
        for lane, share in shares.items():
            if lane not in self._waiting and not self._draining:
                self._waiting[lane], self._working[lane] = asyncio.Queue(), asyncio.Lock()
                tasks.create_task(self._run_lane(lane))
            if lane in self._waiting:
                self._waiting[lane].put_nowait((delivery, share))

    async def _run_lane(self, lane: Lane) -> None:
        waiting, name = self._waiting[lane], f"{self._name} {'-'.join(map(str, lane))}"
        while True:
            taken = [await waiting.get()]
            while len(taken) < MESSAGES_PER_CYCLE and not waiting.empty():
                taken.append(waiting.get_nowait())
            async with self._working[lane]:
                with metrics.CYCLE_SECONDS.time():
                    await self._cycle(name, taken)

    async def _cycle(self, name: str, taken: list[Share[Batch]]) -> None:
        try:
            await outlast(name, lambda: self._handle([share for _, share in taken]))
        except Exception as error:
            if len(taken) > 1:
                log.exception("cycle.failed", messages=len(taken))
                for one in taken:
                    await self._cycle(name, [one])
                return
            taken[0][0].fault = repr(error)
        self._settle([delivery for delivery, _ in taken])

    def _settle(self, deliveries: list[Delivery]) -> None:
        """A lane has done its share of these messages."""
        for delivery in deliveries:
            delivery.left -= 1
        for delivery in deliveries:
            if delivery.left:
                continue
            if delivery.fault is None:
                acknowledge(delivery.message)
            else:
                self._bury(delivery.message, delivery.fault)

    def _bury(self, message: rabbitmq.Delivery, reason: str) -> None:
        metrics.POISON.inc()
        log.error("message.poison", reason=reason, size=len(message.body))
        reject(message)
