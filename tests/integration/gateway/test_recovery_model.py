"""Recovery against a model: whatever happens to an inbox, a cursor gets all that came since, or nothing."""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.registry.connections import ConnectionRegistry
from services.messaging.fanout.fanout import Fanout
from shared.protocol import keys
from shared.redis import Partitions
from tests.support.fuzzing import scaled

PEERS = ["", "eve", "bob"]
FORGED = ["0-0", "1-1", "999999999999999999-1"]
STEPS = st.lists(
    st.tuples(st.just("add"), st.lists(st.sampled_from(PEERS), min_size=1, max_size=4))
    | st.tuples(st.just("resume"), st.integers(0, 30))
    | st.tuples(st.just("trim"), st.integers(0, 4))
    | st.tuples(st.just("hole"), st.integers(0, 4))
    | st.tuples(st.just("lose"), st.sampled_from([keys.INBOX, keys.INBOX_OFFSET]))
    | st.tuples(st.just("block"), st.sampled_from(PEERS[1:]), st.booleans()),
    max_size=25,
)
Step = tuple[Any, ...]


def offset_of(cursor: str) -> int:
    return int(cursor.partition("-")[0])


@dataclass
class Model:
    """An inbox as the contract describes it: (cursor, text, peer) of each entry, the offset given last, and who is hidden."""

    entries: list[tuple[str, str, str]] = field(default_factory=list)
    offset: int | None = None
    hidden: set[str] = field(default_factory=set)
    cursors: list[str] = field(default_factory=lambda: [*FORGED])

    def add(self, cursor: str, text: str, peer: str) -> None:
        """An entry follows, or begins an inbox that has lost its count."""
        if self.offset is None:
            self.entries.clear()
            assert offset_of(cursor) > max(map(offset_of, self.cursors[len(FORGED) :]), default=0)
        else:
            assert offset_of(cursor) == self.offset + 1
        self.offset = offset_of(cursor)
        self.entries.append((cursor, text, peer))
        self.cursors.append(cursor)

    @property
    def ends_well(self) -> bool:
        """The last entry is there."""
        return self.offset is not None and bool(self.entries) and offset_of(self.entries[-1][0]) == self.offset

    def since(self, cursor: str) -> list[str] | None:
        """What a client with this cursor has missed, or None when that can't be told."""
        places = [place for place, (known, _, _) in enumerate(self.entries) if known == cursor]
        if not places:
            return None
        later = self.entries[places[0] :]
        offsets = [offset_of(known) for known, _, _ in later]
        if offsets != list(range(offsets[0], offsets[0] + len(offsets))):
            return None
        return [f'{text},"cursor":"{known}"}}' for known, text, peer in later[1:] if text and peer not in self.hidden]


class UserEvents:
    """The same inbox in Redis: written by messaging's fan-out, read by a gateway's routes."""

    def __init__(self, partitions: Partitions) -> None:
        self.user = str(uuid.uuid4())
        self.model = Model()
        self._client = partitions.of(self.user).client
        self._fanout = Fanout(partitions, self._never, 0)
        self._registry = ConnectionRegistry(partitions, "gateway")
        self._number = 0

    async def _never(self, _users: list[str]) -> dict[str, int]:
        raise AssertionError("nothing is counted here")

    async def add(self, peers: list[str]) -> None:
        """Events of one cycle."""
        effects = self._fanout.effects()
        texts = []
        for peer in peers:
            self._number += 1
            texts.append(f'{{"number":{self._number}')
            effects.events_for(self.user).add(texts[-1].encode(), peer)
        await self._fanout.deliver(effects)
        newest: Any = await self._client.xrevrange(keys.key(keys.INBOX, self.user), count=len(peers))
        for (cursor, _), text, peer in zip(reversed(newest), texts, peers, strict=True):
            self.model.add(cursor.decode(), text, peer)

    async def resume(self, choice: int) -> None:
        """A client comes with a cursor that it may have had, or that nobody gave it."""
        cursor = self.model.cursors[choice % len(self.model.cursors)]
        (found,) = await self._registry.resume([(self.user, "connection", cursor)])
        if not self.model.ends_well:
            self.model.add(found.cursor, "", "")
        assert found.cursor == self.model.entries[-1][0]
        expected = self.model.since(cursor)
        assert found.recovered is (expected is not None)
        assert [text.decode() for text in found.events] == (expected or [])

    async def trim(self, kept: int) -> None:
        """Redis drops the oldest."""
        await self._client.xtrim(keys.key(keys.INBOX, self.user), maxlen=kept, approximate=False)
        self.model.entries = self.model.entries[-kept:] if kept else []

    async def hole(self, place: int) -> None:
        """An entry is gone."""
        if place < len(self.model.entries):
            cursor, _, _ = self.model.entries.pop(-1 - place)
            await self._client.xdel(keys.key(keys.INBOX, self.user), cursor)

    async def lose(self, prefix: str) -> None:
        """Redis forgets a key."""
        await self._client.delete(keys.key(prefix, self.user))
        if prefix == keys.INBOX:
            self.model.entries = []
        else:
            self.model.offset = None
            await asyncio.sleep(0.002)  # the clock must move on: the next inbox begins at the millisecond

    async def block(self, peer: str, active: bool) -> None:
        """A block is set, or lifted."""
        blocked = keys.key(keys.BLOCKED, self.user)
        await (self._client.sadd(blocked, peer) if active else self._client.srem(blocked, peer))
        self.model.hidden = (self.model.hidden | {peer}) if active else (self.model.hidden - {peer})


async def follow(partitions: Partitions, steps: list[Step]) -> None:
    """Do the steps in both worlds."""
    inbox = UserEvents(partitions)
    for name, *arguments in steps:
        await getattr(inbox, name)(*arguments)


async def test_a_cursor_gets_everything_or_nothing(partitions: Partitions) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=scaled(150), deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def examples(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(follow(partitions, steps), loop).result()

    # Hypothesis drives from a thread, so that the clients stay in their own loop.
    await asyncio.to_thread(examples)
