"""Load with checks: pairs that chat while things break, and the proof afterwards that nothing was lost."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import asyncpg
from chat_client import Message

from shared.protocol import keys
from shared.redis import DEFAULT_PARTITIONS, Partitions, open_partitions
from tests.faults.people import User

PAIRS = 4
SETTLE_SECONDS = 90.0
FLOWING_MESSAGES = 5
PRESENCE_SECONDS = 20.0
UNREAD_SECONDS = 30.0
POLL_SECONDS = 0.1
SEED = 20240101
UNREAD = """
    SELECT id::text, CASE WHEN user_low = $1 THEN unread_low ELSE unread_high END AS unread
    FROM messaging.conversations WHERE $1 IN (user_low, user_high)
"""


@dataclass(frozen=True)
class Result:
    """What happened under one fault: for the report. `silence`: the longest time that a sender waited, in seconds."""

    messages: int
    lost_connections: int
    silence: float


class Target(Protocol):
    """A system that people chat on. `urls`: `database` and `redis`, the servers themselves."""

    @property
    def url(self) -> str:
        """Where clients connect."""

    @property
    def urls(self) -> Mapping[str, str]:
        """The servers."""


class Load:
    """Pairs of mutual friends that chat."""

    def __init__(self, system: Target, pairs: list[tuple[User, User]]) -> None:
        self._system = system
        self.pairs = pairs
        self.users = [user for pair in pairs for user in pair]
        self._stop = asyncio.Event()
        self._talking: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to talk."""
        chances = (random.Random(SEED + number) for number in range(len(self.users)))
        self._talking = [
            asyncio.create_task(user.talk(self._stop, chance)) for user, chance in zip(self.users, chances, strict=True)
        ]

    async def flows(self, seconds: float = 30.0) -> None:
        """Return when every user has had some more messages acknowledged: the system works (again)."""
        before = {user.name: len(user.acknowledged) for user in self.users}
        async with asyncio.timeout(seconds):
            await _until(lambda: self._has_moved_on(before))

    async def finish(self) -> Result:
        """Stop talking, wait until everything has arrived, and check all of it."""
        self._stop.set()
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*self._talking)
        for pair in self.pairs:
            await self._settle(pair)
            check_pair(pair, await self._history(pair[0]))
        await self._check_unread()
        await self._check_presence()
        return Result(
            messages=sum(len(user.acknowledged) for user in self.users),
            lost_connections=sum(user.noticed["connection.lost"] for user in self.users),
            silence=max(user.longest_silence_seconds for user in self.users),
        )

    async def close(self) -> None:
        """End all clients, and those who still talk after a failure."""
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        await asyncio.gather(*(user.client.close() for user in self.users))

    def _has_moved_on(self, before: dict[str, int]) -> bool:
        """True when every user has had enough more acknowledged than `before`. Raises what made somebody stop."""
        for task in self._talking:
            if task.done():
                task.result()
        return all(len(user.acknowledged) >= before[user.name] + FLOWING_MESSAGES for user in self.users)

    async def _settle(self, pair: tuple[User, User]) -> None:
        """Wait until both have seen as many messages as there are."""
        total = sum(user.sent for user in pair)
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await _until(lambda: all(len(user.seen) >= total for user in pair))
        except TimeoutError:
            missing = {user.name: sorted(set(range(1, total + 1)) - set(user.seen)) for user in pair}
            raise AssertionError(f"never delivered: {missing}") from None

    async def _history(self, user: User) -> list[Message]:
        """All messages of the user's conversation."""
        messages: list[Message] = []
        while page := await user.client.rest.messages(
            user.conversation_id, after_seq=messages[-1]["seq"] if messages else 0, limit=100
        ):
            messages += page
        return messages

    async def _check_unread(self) -> None:
        """PostgreSQL, the copy in Redis, and the REST call agree on every user's counts."""
        database = await asyncpg.connect(self._system.urls["database"])
        redis = open_partitions(self._system.urls["redis"], DEFAULT_PARTITIONS)
        try:
            for user in self.users:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await _eventually(partial(_agree, user, database, redis))
        finally:
            await database.close()
            await redis.aclose()

    async def _check_presence(self) -> None:
        """Everyone is connected, and everyone's friend sees that."""
        for alice, bob in self.pairs:
            for user, friend in ((alice, bob), (bob, alice)):
                async with asyncio.timeout(PRESENCE_SECONDS):
                    await _eventually(partial(_sees, user, friend))


async def _sees(user: User, friend: User) -> bool:
    """Whether the user's friend is online to them."""
    return any(one["isOnline"] for one in await user.client.rest.presence(friend.id))


async def _until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    while True:
        if condition():
            return
        await asyncio.sleep(POLL_SECONDS)


async def _eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    """Return when the answer is yes."""
    while True:
        if await ask():
            return
        await asyncio.sleep(POLL_SECONDS)


async def _agree(user: User, database: "asyncpg.Connection[asyncpg.Record]", redis: Partitions) -> bool:
    """Whether all who count a user's unread messages say the same; marks on their way may still change that."""
    stored = sum([row["unread"] for row in await database.fetch(UNREAD, user.id)])
    partition = redis.of(user.id)
    copy = await partition.client.get(partition.key(keys.UNREAD_TOTAL, user.id))
    answer = await user.client.rest.unread()
    return {stored} == {stored if copy is None else int(copy), answer["total"], sum(answer["conversations"].values())}


def check_pair(pair: tuple[User, User], history: list[Message]) -> None:
    """Every acknowledged message is in history, once and in order, and both users have seen exactly history."""
    seqs = [message["seq"] for message in history]
    assert seqs == list(range(1, len(seqs) + 1)), "history has gaps"
    contents = [message["content"] for message in history]
    assert len(set(contents)) == len(contents), "history has something twice"
    stored = {message["id"]: message for message in history}
    for message in (one for user in pair for one in user.acknowledged):
        assert message["id"] in stored, f"lost: {message}"
        assert stored[message["id"]]["seq"] == message["seq"]
    for user in pair:
        own = [text for text in contents if text is not None and text.startswith(f"{user.name} ")]
        assert own == [f"{user.name} {number}" for number in range(user.sent)], "out of order"
        assert user.seen == seqs, f"{user.name} saw something else than history"
        assert not user.noticed["messages.missing"]


@asynccontextmanager
async def chatting(system: Target) -> AsyncIterator[Load]:
    """Pairs of new users, friends and connected, who have begun to talk."""
    run = uuid.uuid4().hex[:8]
    pairs = [(User.make(system.url, f"{run}-a{n}"), User.make(system.url, f"{run}-b{n}")) for n in range(PAIRS)]
    load = Load(system, pairs)
    watching: list[asyncio.Task[None]] = []
    try:
        for alice, bob in pairs:
            await _introduce(alice, bob)
            watching += [asyncio.create_task(user.watch()) for user in (alice, bob)]
        load.start()
        await load.flows()
        yield load
    finally:
        await load.close()
        await asyncio.gather(*watching)


async def _introduce(alice: User, bob: User) -> None:
    await alice.client.open()
    await bob.client.open()
    await bob.client.rest.me()
    conversation = await alice.client.rest.open_conversation(username=bob.name)
    for user, other in ((alice, bob), (bob, alice)):
        user.conversation_id = conversation["id"]
        user.client.track(conversation["id"], 0)
        await user.client.rest.follow(other.name)
