"""Changes that race, against a model: two people with two devices each, on two gateways, before two replicas.

Whatever happens at once, the stored state is one that the commands give in some order; and every device, the history of both
sides, and a client that recovers end with it (docs/protocol.md, «Changing messages»).
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.user_events import AnnouncedMessage
from services.messaging.typing_indicators.indicators import Indicator
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.relay import Command
from shared.redis import Partitions
from tests.support.fuzzing import scaled
from tests.support.messaging import Gateway, Person, Replica, Talk

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

SIDES = st.sampled_from([0, 1])
SEQS = st.integers(1, 3)
ACTIONS = (
    st.tuples(st.just("send"), SIDES)
    | st.tuples(st.just("edit"), SIDES, SEQS, st.sampled_from(["x", "y"]))
    | st.tuples(st.just("delete"), SIDES, SEQS)
    | st.tuples(st.just("react"), SIDES, SEQS, st.sampled_from("👍🎉"), st.booleans())
    | st.tuples(st.just("read"), SIDES, SEQS)
)
Action = tuple[Any, ...]
Step = list[tuple[Action, int, int, bool]]
STEPS = st.lists(
    st.lists(st.tuples(ACTIONS, st.integers(0, 1), st.integers(0, 1), st.booleans()), min_size=1, max_size=3),
    max_size=8,
)
"""Steps, whose actions happen at once: (what, by which replica, by which gateway, whether that replica announces it last)."""


@dataclass
class Message:
    """A message as a client shows it. `reactions`: who gave which emoji; `first`: the text that was sent, in the model."""

    sender: int
    content: str | None
    deleted: bool = False
    reactions: set[tuple[str, int]] = field(default_factory=set)
    first: str = field(default="", compare=False)


@dataclass
class Model:
    """The conversation as the contract describes it. `asked`: when each reaction was last asked for."""

    messages: list[Message] = field(default_factory=list)
    read: list[int] = field(default_factory=lambda: [0, 0])
    asked: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def act(self, action: Action, text: str, at: int) -> None:
        """Carry an action out, or refuse it. `text`: of a new message; `at`: rises with each action."""
        kind, side, *_ = action
        if kind == "send":
            self.messages.append(Message(side, text, first=text))
            return
        seq = action[2]
        if kind == "read":
            self.read[side] = max(self.read[side], min(seq, len(self.messages)))
            return
        message = self.messages[seq - 1] if seq <= len(self.messages) else None
        if message is None or message.deleted:
            return
        if kind == "react":
            self._react(message, action, at)
        elif message.sender == side:
            message.content = None if kind == "delete" else action[3]
            message.deleted = kind == "delete"
            message.reactions = set() if message.deleted else message.reactions

    def _react(self, message: Message, action: Action, at: int) -> None:
        _, side, seq, emoji, active = action
        if self.asked.get((seq, emoji, side), 0) > at:
            return
        self.asked[seq, emoji, side] = at
        (message.reactions.add if active else message.reactions.discard)((emoji, side))

    @property
    def unread(self) -> list[int]:
        """Of both sides."""
        return [
            sum(one.sender != side and not one.deleted for one in self.messages[self.read[side] :]) for side in (0, 1)
        ]


class Screen:
    """What a client shows after events, applied one after the other as they come."""

    def __init__(self, people: tuple[Person, Person], events: list[Any]) -> None:
        self._sides = {person.id: side for side, person in enumerate(people)}
        self.messages: dict[int, Message] = {}
        for event in events:
            self._apply(event["type"], event["payload"])

    @property
    def in_order(self) -> list[Message]:
        """By seq."""
        return [self.messages[seq] for seq in sorted(self.messages)]

    def _apply(self, kind: str, payload: Any) -> None:
        if kind in {"message.new", "message.sent"}:
            self.messages[payload["message"]["seq"]] = message_of(payload["message"], self._sides)
            return
        # A change may come before its message, which then shows it.
        known = self.messages.get(payload.get("seq"))
        if known is None:
            return
        if kind == "message.updated":
            known.content = payload["content"]
        elif kind == "message.deleted":
            self.messages[payload["seq"]] = Message(known.sender, None, deleted=True)
        elif kind == "reaction.updated":
            change = known.reactions.add if payload["active"] else known.reactions.discard
            change((payload["emoji"], self._sides[payload["userId"]]))


def message_of(shown: Any, sides: dict[str, int]) -> Message:
    """A message of the protocol."""
    reactions = {(each["emoji"], sides[user]) for each in shown.get("reactions", ()) for user in each["userIds"]}
    return Message(sides[shown["senderId"]], shown["content"], "deletedAt" in shown, reactions)


class LateReplica(Replica):
    """A replica that stores at once, and announces when `release` is set."""

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        # A gap that waits for the other replica is overtaken soon: clients show messages by seq.
        super().__init__(pool, partitions, max_deferral_seconds=0.02)
        self.release = asyncio.Event()
        self._deliver = self.fanout.deliver
        self.fanout.deliver = self._deliver_late  # type: ignore[method-assign]

    async def _deliver_late(self, effects: CycleEffects) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        await self.release.wait()
        return await self._deliver(effects)


class World:
    """Two people, of whom each has a device on both gateways, and the replicas that carry out what they do."""

    def __init__(self, replica: Replica, gateways: list[Gateway], talk: Talk) -> None:
        self._replica = replica
        self._gateways = gateways
        self._talk = talk
        self.people = (talk.one, talk.other)
        self.states = [Model()]
        self._numbers = itertools.count(1)

    async def step(self, step: Step) -> None:
        """Let all happen at once, and keep the states of the model that what is stored now may be."""
        acted = [(action, f"text {(number := next(self._numbers))}", number) for action, *_ in step]
        late: list[LateReplica] = []
        runs: list[tuple[bool, asyncio.Task[None]]] = []
        for (action, _, gateway, is_late), (_, text, number) in zip(step, acted, strict=True):
            replica = LateReplica(self._replica.pool, self._replica.partitions)
            late.append(replica)
            if not is_late:
                replica.release.set()
            batch = self._gateways[gateway].batch(self._command(action, text, number))
            runs.append((is_late, asyncio.create_task(replica.cycle.run([batch]))))
        await asyncio.gather(*(task for is_late, task in runs if not is_late))
        for replica in late:
            replica.release.set()
        await asyncio.gather(*(task for _, task in runs))
        stored = [await self._history(person) for person in self.people]
        assert stored[0] == stored[1]
        unread = [(await self._replica.counts.of(person.id)).get(self._talk.id, 0) for person in self.people]
        self.states = [one for one in self._possible(acted) if (one.messages, one.unread) == (stored[0], unread)]
        assert self.states, f"{stored[0]} with {unread} unread comes of no order of {acted}"

    async def compare(self) -> None:
        """Every device, and a client that recovers, shows what is stored; and Redis counts as PostgreSQL does."""
        await self._all_came()
        for person in self.people:
            history = await self._history(person)
            for gateway in self._gateways:
                assert Screen(self.people, gateway.events(person)).in_order == history
            assert Screen(self.people, await self._replay(person)).in_order == history
            assert await self._replica.counts.compare(person.id) == []
            replay = json.dumps(await self._replay(person))
            assert [text for text in self._deleted_texts() if f'"{text}"' in replay] == []

    def _deleted_texts(self) -> set[str]:
        """Texts of sends whose messages are deleted, in whatever order things happened."""
        return set.intersection(*({one.first for one in state.messages if one.deleted} for state in self.states))

    def _possible(self, acted: list[tuple[Action, str, int]]) -> list[Model]:
        found: list[Model] = []
        for state in self.states:
            for order in itertools.permutations(acted):
                after = deepcopy(state)
                for each in order:
                    after.act(*each)
                if after not in found:
                    found.append(after)
        return found

    def _command(self, action: Action, text: str, number: int) -> Command:
        kind, side, *rest = action
        person = self.people[side]
        match kind:
            case "send":
                return self._talk.send(person, text, f"temp-{number}")
            case "edit":
                return self._talk.edit(person, *rest)
            case "delete":
                return self._talk.delete(person, *rest)
            case "react":
                seq, emoji, active = rest
                return self._talk.react(person, seq, emoji, active=active, at_ms=BEGUN_MS + number)
            case _:
                return self._talk.read(person, *rest)

    async def _history(self, viewer: Person) -> list[Message]:
        last = await self._replica.last_seq(self._talk)
        found = await self._replica.messages.at([(viewer.id, self._talk.id, seq) for seq in range(1, last + 1)])
        sides = {person.id: side for side, person in enumerate(self.people)}
        return [message_of(json.loads(msgspec.json.encode(one)), sides) for one in found]

    async def _all_came(self) -> None:
        """Each device has had a last message: all events before it, too."""
        await self._replica.cycle.run([self._gateways[0].batch(self._talk.send(self.people[0], "end", "end"))])
        for gateway in self._gateways:
            await gateway.until(
                lambda gateway=gateway: all(  # type: ignore[misc]
                    any(content == "end" for _, content in gateway.messages(person)) for person in self.people
                )
            )

    async def _replay(self, person: Person) -> list[Any]:
        """Return what a client gets that reconnects with its first cursor."""
        partition = self._replica.partitions.of(person.id)
        entries: Any = await partition.client.xrange(partition.key(keys.INBOX, person.id))
        texts = [fields[b"e"] for _, fields in entries]
        return [json.loads(text + (b"0}}}" if text.endswith(b'"total":') else b"}")) for text in texts if text]


BEGUN_MS = time.time_ns() // 1_000_000


@pytest.fixture
async def gateways(partitions: Partitions, redis_url: str) -> AsyncIterator[list[Gateway]]:
    """Two."""
    listener = Redis.from_url(redis_url)
    both = [Gateway(partitions, listener), Gateway(partitions, listener)]
    for gateway in both:
        await gateway.open()
    yield both
    for gateway in both:
        await gateway.close()
    await listener.aclose()


async def follow(replica: Replica, gateways: list[Gateway], steps: list[Step]) -> None:
    """Do the steps, and compare."""
    talk = await replica.talk()
    for gateway in gateways:
        gateway.forget()
        await gateway.plug(Person(talk.one.id, "one"), Person(talk.other.id, "other"))
    world = World(replica, gateways, talk)
    await world.step([(("send", 0), 0, 0, False)])
    await world.step([(("send", 1), 0, 0, False)])
    for step in steps:
        await world.step(step)
    await world.compare()


async def test_changes_that_race_end_alike_everywhere(replica: Replica, gateways: list[Gateway]) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=scaled(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    @example([[(("edit", 0, 1, "x"), 0, 0, True), (("edit", 0, 1, "y"), 1, 1, False)]])
    @example([[(("edit", 0, 1, "x"), 0, 0, True), (("delete", 0, 1), 1, 1, False)]])
    @example([[(("react", 1, 1, "👍", True), 0, 0, True), (("delete", 0, 1), 1, 1, False)]])
    @example([[(("delete", 0, 1), 0, 0, True), (("read", 1, 1), 1, 1, False)]])
    def examples(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(follow(replica, gateways, steps), loop).result()

    # Hypothesis drives from a thread, so that the pool stays in its own loop.
    await asyncio.to_thread(examples)
