"""The stores against a model: any sequence of sends, reads, deliveries and blocks ends as a few lines of Python say."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.messaging.stores.messages import Draft
from services.messaging.stores.receipts import EVERYTHING, Mark
from tests.support.fuzzing import scaled
from tests.support.messaging import Replica

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

SIDES = st.sampled_from([0, 1])
SENDS = st.tuples(st.just("send"), SIDES, st.sampled_from("abcd"), st.sampled_from(["x", "y"]))
BATCHES = st.tuples(st.just("batch"), st.lists(SENDS, min_size=1, max_size=6))
READS = st.tuples(st.just("read"), SIDES, st.none() | st.integers(1, 12))
DELIVERIES = st.tuples(st.just("delivered"), SIDES, st.integers(1, 12))
BLOCKS = st.tuples(st.just("block"), SIDES, st.booleans())
Step = tuple[object, ...]
STEPS = st.lists(BATCHES | READS | DELIVERIES | BLOCKS, max_size=14)


@dataclass
class Model:
    """A conversation as the contract describes it."""

    messages: list[tuple[int, str, str]] = field(default_factory=list)
    read: list[int] = field(default_factory=lambda: [0, 0])
    delivered: list[int] = field(default_factory=lambda: [0, 0])
    blocks: list[bool] = field(default_factory=lambda: [False, False])

    def send(self, side: int, key: str, body: str) -> tuple[str, int | None]:
        """(verdict, seq)."""
        for seq, (sender, known, content) in enumerate(self.messages, start=1):
            if (sender, known) == (side, key):
                return ("repeated", seq) if content == body else ("duplicate_temp_id", None)
        if any(self.blocks):
            return "blocked", None
        self.messages.append((side, key, body))
        return "new", len(self.messages)

    def mark(self, side: int, read: int | None, delivered: int | None) -> None:
        """Move marks."""
        last = len(self.messages)
        self.read[side] = max(self.read[side], min(read or 0, last))
        self.delivered[side] = max(self.delivered[side], min(delivered or 0, last), self.read[side])

    def unread(self, side: int) -> int:
        """What the side has not read."""
        return sum(sender != side for sender, _, _ in self.messages[self.read[side] :])


@contextmanager
def explained(step: Step) -> Iterator[None]:
    """Say at which step a comparison failed."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"at {step}")
        raise


async def follow(replica: Replica, steps: list[Step]) -> None:
    """Do the steps in both worlds, and compare after each."""
    talk, model = await replica.talk(), Model()
    people = (talk.one, talk.other)
    for step in steps:
        with explained(step):
            match step:
                case ("batch", list(sends)):
                    drafts = [Draft(talk.send(people[side], body, key), key) for _, side, key, body in sends]
                    results = await replica.messages.append(drafts)
                    # A batch that repeats a key is appended in rounds: first all that is there for the first time.
                    expected = rounds(model, sends)
                    assert [result.verdict for result in results] == [verdict for verdict, _ in expected]
                    assert [r.seq for r, (_, seq) in zip(results, expected, strict=True) if seq] == [
                        seq for _, seq in expected if seq
                    ]
                case ("read", int(side), seq):
                    target = seq if isinstance(seq, int) else EVERYTHING
                    await replica.receipts.mark([Mark(talk.id, people[side].id, target, None)])
                    model.mark(side, target, None)
                case ("delivered", int(side), int(seq)):
                    await replica.receipts.mark([Mark(talk.id, people[side].id, None, seq)])
                    model.mark(side, None, seq)
                case ("block", int(side), bool(active)):
                    await replica.blocks.set(people[side].id, people[1 - side].id, active=active)
                    model.blocks[side] = active
            for side, person in enumerate(people):
                counted = await replica.counts.of(person.id)
                assert counted.get(talk.id, 0) == model.unread(side)
    # Each sees how far itself has read, always; blocks hide only what the other did meanwhile.
    for side, person in enumerate(people):
        seen = await replica.messages.at([(person.id, talk.id, seq) for seq in range(1, len(model.messages) + 1)])
        assert [(message.seq, message.content) for message in seen] == [
            (seq, body) for seq, (_, _, body) in enumerate(model.messages, start=1)
        ]
        received = [message for message in seen if message.sender_id != person.id]
        assert [message.is_read for message in received] == [message.seq <= model.read[side] for message in received]
        assert [message.delivered_at is not None for message in received] == [
            message.seq <= model.delivered[side] for message in received
        ]


def rounds(model: Model, sends: list[tuple[str, int, str, str]]) -> list[tuple[str, int | None]]:
    """Return the model's result of a batch, in whose first round each key occurs once."""
    turns: dict[tuple[int, str], int] = {}
    order = []
    for place, (_, side, key, _body) in enumerate(sends):
        turns[side, key] = turns.get((side, key), -1) + 1
        order.append((turns[side, key], place))
    results: dict[int, tuple[str, int | None]] = {}
    for _, place in sorted(order):
        _, side, key, body = sends[place]
        results[place] = model.send(side, key, body)
    return [results[place] for place in range(len(sends))]


async def test_the_stores_follow_the_model(replica: Replica) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=scaled(60), deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def examples(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(follow(replica, steps), loop).result()

    # Hypothesis drives from a thread, so that the pool stays in its own loop.
    await asyncio.to_thread(examples)
