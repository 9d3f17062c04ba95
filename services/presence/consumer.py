"""Decodes AMQP messages to batches, and handles these in cycles. All batches that wait in a lane form its next cycle."""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from services.presence import metrics
from shared import rabbitmq
from shared.protocol import relay
from shared.rabbitmq import Consumer, acknowledge
from shared.redis import Partitions
from shared.retry import retry_until_available
from shared.tracing import name_ids, parent_of, span

log = structlog.get_logger(__name__)

Batch = TypeVar("Batch")
MESSAGES_PER_CYCLE: Final = 32

PERSONAL_PAUSE_SECONDS: Final = 1.0
"""After each cycle of a user with a lane of their own. All that comes meanwhile is handled in the next cycle."""


class Lane(NamedTuple):
    """The Redis partitions that a command needs, in ascending order: one, or the two of a block.

    Commands of one lane are handled in order. A partition that is away delays only the lanes that need it.
    A user with very many friends has a lane of their own (`user_id`), so that nobody else waits for that.
    """

    partitions: tuple[int, ...]
    user_id: str = ""

    @property
    def shared(self) -> "Lane":
        """Return the lane of all others who need these partitions."""
        return Lane(self.partitions)

    @property
    def is_passing(self) -> bool:
        """Whether the lane ends when nothing waits in it."""
        return bool(self.user_id) or len(self.partitions) > 1


_SINGLE_PARTITION: Final = Lane((0,))


def split_commands(
    partitions: Partitions, long_lists: Container[str], batch: relay.PresenceBatch, lanes: Container[Lane]
) -> Mapping[Lane, relay.PresenceBatch]:
    """Return lane → its share of the commands, in order.

    Users in `long_lists` get a lane of their own. Who has one among `lanes` keeps it until it is empty.
    """
    shares: dict[Lane, relay.PresenceBatch] = {}
    for command in batch.commands:
        if isinstance(command, relay.BlockChanged):
            lane = _lane(partitions, command.blocker, command.blocked)
        else:
            lane = _lane(partitions, command.user_id)
            personal = Lane(lane.partitions, command.user_id)
            if command.user_id in long_lists or personal in lanes:
                lane = personal
        shares.setdefault(lane, relay.PresenceBatch([])).commands.append(command)
    return shares


def split_renewals(partitions: Partitions, renewal: relay.LeaseRenewal) -> Mapping[Lane, relay.LeaseRenewal]:
    """Return lane → its share of the connections."""
    if len(partitions) == 1:
        return {_SINGLE_PARTITION: renewal}
    shares: dict[Lane, relay.LeaseRenewal] = {}
    for user_id, connection_id in renewal.connections:
        lane = _lane(partitions, user_id)
        if lane not in shares:
            shares[lane] = relay.LeaseRenewal(renewal.gateway_id, renewal.at_ms, [])
        shares[lane].connections.append((user_id, connection_id))
    return shares


def users_of(batch: object) -> Iterator[str]:
    """Yield the users of a batch's commands or renewals."""
    if isinstance(batch, relay.PresenceBatch):
        for command in batch.commands:
            yield command.blocker if isinstance(command, relay.BlockChanged) else command.user_id
    elif isinstance(batch, relay.LeaseRenewal):
        yield from (user_id for user_id, _ in batch.connections)


def _lane(partitions: Partitions, *user_ids: str) -> Lane:
    if len(partitions) == 1:
        return _SINGLE_PARTITION
    return Lane(tuple(sorted({partitions.index_of(user_id) for user_id in user_ids})))


@dataclass(slots=True)
class AckCounter:
    """An AMQP message, the number of lanes that have not done their share yet, and the reason when it can't be handled."""

    message: rabbitmq.Delivery
    left: int
    fault: str | None = None


Share = tuple[AckCounter, Batch]
DeadLetter = Callable[[rabbitmq.Delivery, str], Awaitable[None]]
"""Stores a message that can't be handled, with the reason."""


class _LaneWork(Generic[Batch]):
    """The shares that wait in a lane. `working` is held during a cycle. It follows what is in the lane `earlier` now."""

    def __init__(self, earlier: "_LaneWork[Batch] | None" = None) -> None:
        self.working = asyncio.Lock()
        self._waiting: asyncio.Queue[Share[Batch]] = asyncio.Queue()
        self._put: int = 0
        self._done = 0
        self._earlier = earlier
        self._earlier_put = 0 if earlier is None else earlier._put
        self._progress = asyncio.Condition()

    @property
    def empty(self) -> bool:
        """Whether no share waits."""
        return self._waiting.empty()

    def put(self, share: Share[Batch]) -> None:
        """Add a share."""
        self._waiting.put_nowait(share)
        self._put += 1

    async def first(self) -> Share[Batch]:
        """Take the next share, when there is one."""
        return await self._waiting.get()

    def next(self) -> Share[Batch]:
        """Take the next share of those that wait."""
        return self._waiting.get_nowait()

    async def note_done(self, count: int) -> None:
        """So many of the shares that were taken are done."""
        self._done += count
        async with self._progress:
            self._progress.notify_all()

    async def may_begin(self) -> None:
        """Wait until the shares are done that this lane follows."""
        if self._earlier is not None:
            await self._earlier._passed(self._earlier_put)

    async def _passed(self, count: int) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= count)


class BatchConsumer(Generic[Batch]):
    """Decodes the messages of one queue and splits them into lanes. Each lane handles its shares in order.

    A message is acknowledged when all lanes have done their share. `split` returns each lane's share of a batch, given the lanes
    that there are now. A message that can't be handled goes to `dead_letter`, with the reason.
    """

    def __init__(
        self,
        name: str,
        consumer: Consumer,
        decoder: msgspec.msgpack.Decoder[Batch],
        split: Callable[[Batch, Container[Lane]], Mapping[Lane, Batch]],
        handle: Callable[[list[Batch]], Awaitable[None]],
        dead_letter: DeadLetter,
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._decoder = decoder
        self._split = split
        self._handle = handle
        self._dead_letter = dead_letter
        self._lanes: dict[Lane, _LaneWork[Batch]] = {}
        self._turns: dict[Lane, asyncio.Lock] = {}
        self._draining = False

    async def run(self) -> None:
        """Handle messages until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for message in await self._consumer.take(MESSAGES_PER_CYCLE):
                    await self._sort_in(message, tasks)

    async def drain(self) -> None:
        """Wait for the cycles in progress, and start no others.

        The broker redelivers the remaining messages to another replica.
        """
        self._draining = True
        await asyncio.gather(*(work.working.acquire() for work in self._lanes.values()))

    async def _sort_in(self, message: rabbitmq.Delivery, tasks: asyncio.TaskGroup) -> None:
        try:
            shares = self._split(self._decoder.decode(message.body), self._lanes)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            await self._give_up(message, repr(error))
            return
        if not shares:
            acknowledge(message)
        counter = AckCounter(message, len(shares))
        for lane, share in shares.items():
            if lane not in self._lanes and not self._draining:
                self._begin_lane(lane, tasks)
            if lane in self._lanes:
                self._lanes[lane].put((counter, share))

    def _begin_lane(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        """Start a lane. A personal one waits for what is in the shared lane now: the user's earlier commands may be there."""
        self._lanes[lane] = _LaneWork(self._lanes.get(lane.shared))
        tasks.create_task(self._run_lane(lane))

    async def _run_lane(self, lane: Lane) -> None:
        work = self._lanes[lane]
        await work.may_begin()
        # One personal lane at a time: all of them together take no more from the others than one.
        turn = self._turns.setdefault(lane.shared, asyncio.Lock()) if lane.user_id else nullcontext()
        while True:
            taken = [await work.first()]
            async with turn, work.working:
                # A personal lane takes all: what one user can't be told at once must not fill the prefetch, and delay everybody.
                while (lane.user_id or len(taken) < MESSAGES_PER_CYCLE) and not work.empty:
                    taken.append(work.next())
                await self._traced_cycle(taken)
            await work.note_done(len(taken))
            if lane.user_id:
                await asyncio.sleep(PERSONAL_PAUSE_SECONDS)
            # Users and pairs of partitions are too many to keep their lanes.
            if lane.is_passing and work.empty:
                del self._lanes[lane]
                return

    async def _traced_cycle(self, taken: list[Share[Batch]]) -> None:
        parent = parent_of(counter.message.headers for counter, _ in taken)
        with metrics.CYCLE_SECONDS.time(), span(f"presence.{self._name}", "consumer", parent) as traced:
            name_ids(traced, user_ids=(user_id for _, share in taken for user_id in users_of(share)))
            await self._cycle(taken)

    async def _cycle(self, taken: list[Share[Batch]]) -> None:
        is_first = True

        async def attempt() -> None:
            nonlocal is_first
            # What is lost is redelivered. If it were held here as well, it would pile up with each connection that breaks.
            shares = [share for counter, share in taken if is_first or not counter.message.lost]
            is_first = False
            if shares:
                await self._handle(shares)

        try:
            await retry_until_available(self._name, attempt)
        except Exception as error:
            if len(taken) > 1:
                log.exception("cycle.failed", batches=len(taken))
                for one in taken:
                    await self._cycle([one])
                return
            taken[0][0].fault = repr(error)
        await self._count_down([counter for counter, _ in taken])

    async def _count_down(self, counters: list[AckCounter]) -> None:
        """Note that one lane has done its share of these messages."""
        for counter in counters:
            counter.left -= 1
        for counter in counters:
            if counter.left:
                continue
            if counter.fault is None:
                acknowledge(counter.message)
            else:
                await self._give_up(counter.message, counter.fault)

    async def _give_up(self, message: rabbitmq.Delivery, reason: str) -> None:
        metrics.POISON.inc()
        log.error("batch.dead_lettered", reason=reason, size=len(message.body))
        await self._dead_letter(message, reason)
