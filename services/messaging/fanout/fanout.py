"""Fan-out delivers the effects of one cycle with one script call for each Redis server."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import structlog

from services.messaging import metrics
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.inbox_eraser import InboxEraser
from services.messaging.fanout.partition_effects import PartitionEffects
from services.messaging.fanout.user_events import AnnouncedMessage
from services.messaging.fanout.wait_budget import WaitBudget
from services.messaging.typing_indicators.indicators import Indicator
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions, Script
from shared.redis.processed_batches import MAX_BATCHES, MAX_SECONDS, ProcessedBatches

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FANOUT: Final = Script(
    "services.messaging.fanout",
    "shared.redis:epoch",
    "services.messaging.stores:rebuilding",
    "effects",
    "unread_totals",
    "inboxes",
    "fanout",
)
_TURN: Final = Script("services.messaging.fanout", "turn")
DELIVERED: Final = 0
TOTALS_MISSING: Final = 1
"""Redis lacks unread totals, which must be copied from PostgreSQL first."""
EARLIER_MISSING: Final = 2
"""Another replica has stored earlier messages, and not delivered them yet."""
OUTDATED: Final = 3
"""Another replica has announced a later change of a message than ours."""
MOST_OUTDATED: Final = 20
"""How often work is outdated before PostgreSQL is taken at its word: a failover to a standby that lagged may lose a change."""

Rebuild = Callable[[list[str]], Awaitable[Mapping[str, int]]]
"""Copies these users' unread counts from PostgreSQL to Redis. Returns the totals of the users whom it leaves for later."""


class OutdatedError(Exception):
    """Another replica has announced a later change of a message to this user than ours. The message must be read again."""

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.user_id = user_id


class Fanout:
    """Delivers the effects of cycles.

    `rebuild`: called for users whose unread total is missing in Redis. `processed`: which batches were stored and announced.
    `eraser`: removes deleted messages from inboxes.

    A delivery waits, `max_deferral_seconds` at most, for another replica that has stored earlier messages of a conversation and
    not delivered them yet. That usually takes milliseconds; when the replica has died, its batch is redelivered behind ours, so
    waiting longer would not help. After that time the messages are delivered anyway, and clients see the gap in `seq`.
    """

    def __init__(
        self,
        partitions: Partitions,
        rebuild: Rebuild,
        max_deferral_seconds: float,
        inbox_events: int = limits.INBOX_EVENTS,
        inbox_bytes: int = limits.INBOX_BYTES,
        inbox_seconds: int = limits.INBOX_SECONDS,
    ) -> None:
        self.processed = ProcessedBatches(partitions)
        self.eraser = InboxEraser(partitions)
        self._partitions = partitions
        self._rebuild = rebuild
        self._max_deferral_seconds = max_deferral_seconds
        self._limits = (inbox_events, inbox_seconds, limits.LAST_MESSAGE_SECONDS)
        self._memory = (MAX_BATCHES, MAX_SECONDS, inbox_bytes)

    def effects(self, trace: str = "") -> CycleEffects:
        """Return new, empty effects for these partitions. Gateways continue `trace` (a traceparent), if there is one."""
        return CycleEffects(self._partitions, trace)

    async def until_current(self, work: Callable[[bool], Awaitable[T]]) -> T:
        """Return the result of `work`, which stores commands and delivers their effects.

        When another replica has announced a later change of one of the messages, it is called again, with true: stored commands
        then count as repetitions, and their events show the current state.
        """
        outdated = 0
        while True:
            try:
                return await work(outdated > 0)
            except OutdatedError as error:
                metrics.OUTDATED.inc()
                outdated += 1
                if outdated > MOST_OUTDATED:
                    log.error("message_versions.dropped", user_id=error.user_id)
                    partition = self._partitions.of(error.user_id)
                    await partition.client.unlink(partition.key(keys.MESSAGE_VERSIONS, error.user_id))

    async def deliver(self, effects: CycleEffects) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        """Deliver everything, and at last say which batches are completed. Raises RedisError and OutdatedError.

        Calling it again repeats events, which receivers drop by (conversation, seq), and counts nothing twice. Returns the
        messages that no gateway took, and the typing indicators that ended. With one server, and when nothing has to follow the
        fan-out, the script records the batches as processed in the same step.
        """
        if len(effects.partitions) == 1:
            remember = not effects.has_more
            return await self._run(
                0, effects.partitions[0], effects.connection_events, effects.completed, remember=remember
            )
        return await self._deliver_to_cluster(effects)

    async def _deliver_to_cluster(self, effects: CycleEffects) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        """Deliver when a conversation and its users may lie on different servers.

        It waits for the turn, delivers to the users, and then updates the conversations.
        """
        conversations = effects.take_conversations()
        await asyncio.gather(
            *(
                self._wait_for_turn(index, partition)
                for index, partition in enumerate(conversations)
                if partition.latest
            )
        )
        undelivered: list[AnnouncedMessage] = []
        ended: list[Indicator] = []
        for partitions in (effects.partitions, conversations):
            for announced, typing in await asyncio.gather(
                *(
                    self._run(index, partition, [], [], overtake=True)
                    for index, partition in enumerate(partitions)
                    if not partition.empty
                )
            ):
                undelivered += announced
                ended += typing
        await self._reply(effects)
        return undelivered, ended

    async def _wait_for_turn(self, index: int, partition: PartitionEffects) -> None:
        waiting = partition.latest.values()
        blob = msgpack_encoder.encode(([one.delivered_key for one in waiting], [one.follows or 0 for one in waiting]))
        budget = WaitBudget(self._max_deferral_seconds)
        while not await _TURN(self._partitions.at(index), blob) and await budget.wait():
            pass

    async def _run(
        self,
        index: int,
        partition: PartitionEffects,
        connection_events: list[str],
        completed: list[str | int],
        *,
        overtake: bool = False,
        remember: bool = False,
    ) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        tag, texts = str(random.getrandbits(31)), partition.texts()
        blob = partition.encode(tag, connection_events, completed)
        client = self._partitions.at(index)
        budget = WaitBudget(self._max_deferral_seconds)
        while True:
            status, *answer = await _FANOUT(
                client, blob, *self._limits, int(overtake), int(remember), *self._memory, *texts
            )
            if status == DELIVERED:
                break
            if status == OUTDATED:
                raise OutdatedError(answer[0].decode())
            if status == TOTALS_MISSING:
                totals = await self._rebuild([partition.counters.users[number - 1] for number in answer[0]])
                if totals:
                    partition.counters.supply(totals)
                    blob = partition.encode(tag, connection_events, completed)
            elif status == EARLIER_MISSING:
                overtake = not await budget.wait()
            else:
                raise ValueError(f"the fan-out script returned status {status}")
        numbers, ended_typing = answer
        ended = [partition.typing[key.decode()] for key in ended_typing]
        if not numbers:
            return [], ended
        announced = partition.announced()
        found = [announced[number - 1] for number in numbers]
        return [message for message in found if message is not None], ended

    async def _reply(self, effects: CycleEffects) -> None:
        """Send answers and completions when there are several servers: only after all of them have delivered."""
        downlinks: dict[str, relay.Downlink] = defaultdict(relay.Downlink)
        for gateway_id, connection_id, text, user_id in zip(*[iter(effects.connection_events)] * 4, strict=True):
            routes = {connection_id: gateway_id}
            if user_id:
                partition = self._partitions.of(user_id)
                found = await partition.client.hgetall(partition.key(keys.ROUTES, user_id))
                routes |= {_text(connection): _text(gateway) for connection, gateway in found.items()}
            for connection, gateway in routes.items():
                downlinks[gateway].connection_events.append(relay.ConnectionEvent(connection, text))
        for gateway_id, batch_id in zip(*[iter(effects.completed)] * 2, strict=True):
            downlinks[str(gateway_id)].completed.append(int(batch_id))
        await asyncio.gather(*(self._publish(gateway_id, downlink) for gateway_id, downlink in downlinks.items()))

    async def _publish(self, gateway_id: str, downlink: relay.Downlink) -> None:
        """Publish on any partition: gateways subscribe to every one, so replies to different gateways use different ones."""
        partition = self._partitions.of(gateway_id)
        await partition.publish(partition.key(keys.GATEWAY, gateway_id), msgpack_encoder.encode(downlink))


def _text(value: bytes | str) -> str:
    """Return Redis' reply as text."""
    return value.decode() if isinstance(value, bytes) else value
