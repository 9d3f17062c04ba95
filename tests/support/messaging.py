"""Replicas of messaging in the test's process, and stand-ins for gateways that only listen."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from services.messaging.conversation_views import ConversationViews
from services.messaging.cycle import Cycle
from services.messaging.failpoints import Failpoints
from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.fanout.user_events import AnnouncedMessage
from services.messaging.handlers import Handlers
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.changes import Changes
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.receipts import Receipts
from services.messaging.stores.unread import UnreadCounts
from services.messaging.stores.unread_rebuilds import UnreadRebuilds
from services.messaging.stores.unread_repair import UnreadRepair
from services.messaging.typing_indicators.indicators import Indicator, TypingIndicators
from shared.directory import Directory
from shared.postgres import Pool
from shared.protocol import keys, limits, relay
from shared.protocol.relay import BlockChanged, Command, CommandBatch
from shared.redis import Partitions
from shared.store_clock import StoreClock
from tests.support import waiting

SECONDS = 30


@dataclass
class Person:
    """A user in the directory, with one connection."""

    id: str
    username: str
    connection_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Talk:
    """A conversation of two users, with functions that build their commands."""

    def __init__(self, conversation_id: str, one: Person, other: Person) -> None:
        self.id = conversation_id
        self.one = one
        self.other = other

    def send(
        self,
        sender: Person,
        content: str | None = "hello",
        temp_id: str | None = None,
        media: str | None = None,
        *,
        kind: str | None = None,
        reply_to: int | None = None,
        metadata: str | None = None,
    ) -> relay.SendMessage:
        """Build a `SendMessage`."""
        kind = kind or ("text" if media is None else "image")
        return relay.SendMessage(
            sender.id, sender.connection_id, self.id, kind, content, media, temp_id, reply_to, metadata
        )

    def edit(self, sender: Person, seq: int, content: str, temp_id: str | None = None) -> relay.EditMessage:
        """Build an `EditMessage`."""
        return relay.EditMessage(sender.id, sender.connection_id, self.id, seq, content, temp_id)

    def delete(self, sender: Person, seq: int, temp_id: str | None = None) -> relay.DeleteMessage:
        """Build a `DeleteMessage`."""
        return relay.DeleteMessage(sender.id, sender.connection_id, self.id, seq, temp_id)

    def react(
        self, person: Person, seq: int, emoji: str = "👍", *, active: bool = True, at_ms: int | None = None
    ) -> relay.SetReaction:
        """Build a `SetReaction`, requested now unless another time is given."""
        at_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
        return relay.SetReaction(person.id, person.connection_id, self.id, seq, emoji, active, None, at_ms)

    def read(self, reader: Person, seq: int | None = None) -> relay.MarkRead:
        """Build a `MarkRead`."""
        return relay.MarkRead(reader.id, reader.connection_id, self.id, seq)

    def delivered(self, receiver: Person, seq: int) -> relay.MarkDelivered:
        """Build a `MarkDelivered`."""
        return relay.MarkDelivered(receiver.id, receiver.connection_id, self.id, seq)


async def new_person(pool: Pool, name: str = "person") -> Person:
    """Create a user in the directory that no other test uses."""
    person = Person(str(uuid.uuid4()), f"{name}-{uuid.uuid4().hex[:8]}")
    await pool.execute(
        "INSERT INTO directory.users (id, username, display_name) VALUES ($1::uuid, $2, $3)",
        person.id,
        person.username,
        name.title(),
    )
    return person


async def eventually(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition is met; fails after 30 s."""
    await waiting.eventually(met, SECONDS, poll_seconds=0.003)


async def somebody_waits(pool: Pool, statements: int = 1) -> bool:
    """True when at least so many statements in this database wait for locks."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return int(await pool.fetchval(waiting)) >= statements


class RecordedEvents(OutgoingEvents):
    """Keeps outgoing events instead of publishing them, for tests without a broker."""

    def __init__(self) -> None:
        self.announced: list[AnnouncedMessage] = []
        self.changes: list[BlockChanged] = []

    async def undelivered(self, announced: Iterable[AnnouncedMessage], trace: str | None = None) -> None:
        """Keep them."""
        self.announced += announced

    async def blocks(self, changes: Iterable[BlockChanged]) -> None:
        """Keep them."""
        self.changes += changes


class Replica:
    """One replica's stores and cycle, put together as the process does, without queues."""

    def __init__(
        self,
        pool: Pool,
        partitions: Partitions,
        max_deferral_seconds: float = SECONDS,
        edit_window_seconds: float = 86_400,
        inbox_events: int = limits.INBOX_EVENTS,
        inbox_seconds: int = limits.INBOX_SECONDS,
    ) -> None:
        self.pool = pool
        self.partitions = partitions
        self.messages = Messages(pool)
        clock = StoreClock(partitions)
        self.receipts = Receipts(pool, clock)
        self.blocks = Blocks(pool, partitions)
        self.conversations = Conversations(pool)
        self.counts = UnreadCounts(pool, partitions)
        self.indicators = TypingIndicators(pool, partitions, clock)
        self.rebuilds = UnreadRebuilds(self.counts)
        self.fanout = Fanout(
            partitions,
            self.rebuilds.of_cycle,
            max_deferral_seconds,
            inbox_events=inbox_events,
            inbox_seconds=inbox_seconds,
        )
        self.recorded = RecordedEvents()
        directory = Directory(pool)
        self.changes = Changes(pool, edit_window_seconds)
        self.handlers = Handlers(self.messages, self.receipts, self.blocks, self.indicators, directory, self.changes)
        self.views = ConversationViews(pool)
        self.announcer = ConversationAnnouncer(self.views, self.fanout, self.counts, partitions)
        self.handlers.announcer = self.announcer
        self.repair = UnreadRepair(self.counts, period_seconds=3600, settling_seconds=0.01)
        self.cycle = Cycle(self.handlers, self.fanout, self.indicators, self.recorded, self.repair, Failpoints())

    async def last_seq(self, talk: Talk) -> int:
        """Count the stored messages."""
        return int(
            await self.pool.fetchval("SELECT last_seq FROM messaging.conversations WHERE id = $1::uuid", talk.id)
        )

    async def talk(self, one: str = "alice", other: str = "bob") -> Talk:
        """Create a conversation of two new users."""
        people = await new_person(self.pool, one), await new_person(self.pool, other)
        conversation_id, _ = await self.conversations.create(people[0].id, people[1].id)
        return Talk(conversation_id, *people)


class Stall:
    """Stops a replica's next delivery between commit and fan-out, until it is released."""

    def __init__(self, replica: Replica) -> None:
        self._deliver = replica.fanout.deliver
        self._released = asyncio.Event()
        replica.fanout.deliver = self._wait  # type: ignore[method-assign]

    def release(self) -> None:
        """Let the delivery go on."""
        self._released.set()

    async def _wait(self, effects: CycleEffects) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        await self._released.wait()
        return await self._deliver(effects)


Event = dict[str, Any]


class Gateway:
    """Receives downlinks as a gateway does, and remembers them."""

    def __init__(self, partitions: Partitions, listener: "Redis", name: str | None = None) -> None:
        self.name = name or f"gateway-{uuid.uuid4().hex[:8]}"
        self._partitions = partitions
        self._pubsub = listener.pubsub(ignore_subscribe_messages=True)
        self._batches = itertools.count(1)
        self.downlinks: list[relay.Downlink] = []

    async def open(self) -> None:
        """Start listening."""
        await self._pubsub.subscribe(keys.key(keys.GATEWAY, self.name))
        await self._pubsub.get_message(ignore_subscribe_messages=False, timeout=SECONDS)

    async def close(self) -> None:
        """Stop listening, like a dead gateway."""
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def plug(self, *people: Person) -> None:
        """Register connections of these users at this gateway."""
        for person in people:
            routes = keys.key(keys.ROUTES, person.id)
            await self._partitions.of(person.id).client.hset(routes, person.connection_id, self.name)

    def batch(self, *commands: Command, again: bool = False) -> CommandBatch:
        """The next batch of this gateway. `again`: the broker says that it was delivered before."""
        return CommandBatch(self.name, next(self._batches), list(commands), again)

    async def until(self, met: Callable[[], bool]) -> None:
        """Listen until the received downlinks meet a condition; fail after 30 s."""
        async with asyncio.timeout(SECONDS):
            while not met():
                message = await self._pubsub.get_message(timeout=1)
                if message is not None:
                    self.downlinks.append(relay.downlink_decoder.decode(message["data"]))

    async def completed(self, batch: CommandBatch) -> None:
        """Listen until a batch is answered."""
        await self.until(lambda: any(batch.batch_id in downlink.completed for downlink in self.downlinks))

    def deliveries(self, person: Person) -> list[relay.DurableEvent]:
        """Return the received events of a user, in order."""
        return [d for downlink in self.downlinks for d in downlink.durable_events if d.user_id == person.id]

    def events(self, person: Person, kind: str | None = None) -> list[Event]:
        """Durable events for a person, in order; of one type, if that is given."""
        events = [json.loads(delivery.json) for delivery in self.deliveries(person)]
        return [event for event in events if kind in {None, event["type"]}]

    def messages(self, person: Person) -> list[tuple[int, str]]:
        """Return (seq, content) of the messages that a person got, without repetitions, which clients drop too."""
        told = [event["payload"]["message"] for event in self.events(person) if "message" in event["payload"]]
        return list(dict.fromkeys((message["seq"], message["content"]) for message in told))

    def answers(self, person: Person) -> list[Event]:
        """Errors and answers for a person's connection."""
        return [
            json.loads(direct.text)
            for downlink in self.downlinks
            for direct in downlink.connection_events
            if direct.connection_id == person.connection_id
        ]

    def transient_events(self, person: Person) -> list[Event]:
        """Typing events for a person."""
        return [
            json.loads(transient.text)
            for downlink in self.downlinks
            for transient in downlink.transient_events
            if person.id in transient.user_ids
        ]

    def forget(self) -> None:
        """Forget everything received so far."""
        self.downlinks.clear()
