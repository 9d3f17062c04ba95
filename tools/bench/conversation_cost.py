"""`python -m tools.bench.conversation_cost`: measures what lists, unread counts, connects and appends cost for users with few and
many conversations.

It starts a stack of its own, and stops it. For lists and counts, it measures the CPU of its one PostgreSQL session, and of this
process, which does the work of messaging for a request. For a connect, it measures the CPU of all server processes.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

import psutil
from pydantic import SecretStr
from rich.console import Console

from services.messaging.conversation_views import ConversationViews
from services.messaging.stores.appended import Draft
from services.messaging.stores.conversation_list import FIRST, ConversationList, Filters, ListPage, Snapshot
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.sql import LIST_HINTS, UNREAD_SUMMARY
from services.messaging.stores.unread import MAX_COUNTS, UnreadCounts
from shared import postgres
from shared.postgres import Pool
from shared.protocol.codec import json_encoder
from shared.protocol.relay import SendMessage
from shared.redis import Partitions, open_partitions
from tools.bench import cpu
from tools.bench.peer import Peer, SeenEvent
from tools.bench.system import system
from tools.bench.target import Target
from tools.devtoken import mint

SIZES: Final = (10, 1_000, 20_000)
ROUNDS: Final = 100
CONNECTS: Final = 100
WARM: Final = 10
REBUILDS: Final = 10
PAGE: Final = 50
SCRIPTS: Final = 10_000
"""Redis commands in the slow log; the longest one of these is reported."""
READY_SECONDS: Final = 10
SETTINGS: Final = {"CHAT_HANDSHAKES_PER_MINUTE": "0"}

Call = Callable[[], Awaitable[Any]]


class Bench:
    """Seeds users with many conversations, and runs the measured statements."""

    def __init__(self, pool: Pool, backend: psutil.Process) -> None:
        self._pool = pool
        self._backend = backend
        self._own = psutil.Process()
        self.messages, self.lists = Messages(pool), ConversationList(pool)
        self.views = ConversationViews(pool)

    async def seed(self, conversations: int) -> str:
        """Create a user with this many conversations, and return the user's id."""
        user = str(uuid.uuid4())
        text = files("tools.bench").joinpath("sql", "seed_conversations.sql").read_text(encoding="utf-8")
        await self._pool.execute(
            "INSERT INTO directory.users (id, username, display_name) VALUES ($1::uuid, $1::uuid::text, 'B')", user
        )
        await self._pool.execute(text, user, conversations)
        return user

    async def page(self, user: str, filters: Filters, page: ListPage) -> ListPage | None:
        """Read and encode one page as messaging does, and return where the next page begins."""
        ids, following = await self.lists.page(user, filters, PAGE, page)
        json_encoder.encode(await self.views.of(user, ids))
        return following

    async def deep(self, user: str, pages: int) -> ListPage:
        """Read `pages` pages, and return where the next one begins."""
        page: ListPage | None = FIRST
        for _ in range(pages):
            page = await self.page(user, Filters(), page or FIRST)
        return page or FIRST

    async def moved(self) -> ListPage:
        """Return the page after the last one, which lists the conversations that have moved since now."""
        xmin = await self._pool.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return ListPage(None, Snapshot(xmin, round(time.time() * 1_000_000)))

    async def cost(self, call: Call, rounds: int = ROUNDS) -> str:
        """Return, in milliseconds, PostgreSQL's CPU and this process's CPU for one call, and the median duration."""
        for _ in range(WARM):
            await call()
        before, own, taken = self._backend.cpu_times(), self._own.cpu_times(), []
        for _ in range(rounds):
            began = time.perf_counter()
            await call()
            taken.append(time.perf_counter() - began)
        after, now = self._backend.cpu_times(), self._own.cpu_times()
        server = (after.user + after.system - before.user - before.system) / rounds * 1000
        client = (now.user + now.system - own.user - own.system) / rounds * 1000
        return f"{server:5.1f} + {client:4.1f} ({sorted(taken)[rounds // 2] * 1000:5.1f})"


@asynccontextmanager
async def pool_of(url: SecretStr, hints: dict[str, str]) -> AsyncIterator[Pool]:
    """Open one session, with the planner settings that messaging uses for such statements."""
    pool = await postgres.open_pool(url, size=1, application_name="bench", hints=hints)
    try:
        yield pool
    finally:
        await pool.close()


async def bench_of(pool: Pool) -> Bench:
    """Return a bench that uses the pool's only session."""
    return Bench(pool, psutil.Process(await pool.fetchval("SELECT pg_backend_pid()")))


async def appends(pool: Pool, bench: Bench) -> str:
    """Measure a statement that appends 50 messages to one conversation, and count its heap-only updates."""
    user, other = (str(uuid.uuid4()) for _ in range(2))
    conversation_id, _ = await Conversations(pool).create(user, other)

    async def append() -> None:
        sends = [SendMessage(user, "", conversation_id, "text", "hello", None, None) for _ in range(50)]
        await bench.messages.append([Draft(send, str(uuid.uuid4())) for send in sends])

    counters = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'conversations'"
    await pool.execute("SELECT pg_stat_force_next_flush()")
    before = await pool.fetchrow(counters)
    cost = await bench.cost(append)
    await asyncio.sleep(1.5)
    await pool.execute("SELECT pg_stat_force_next_flush()")
    after = await pool.fetchrow(counters)
    assert before is not None
    assert after is not None
    updates, hot = after[0] - before[0], after[1] - before[1]
    return f"50 messages in one statement: {cost} ms; {hot} of {updates} updates heap-only"


async def connects(target: Target, user: str) -> str:
    """Return, in milliseconds, all servers' CPU for a connect and its disconnect, and the median time to `status.bulk`."""
    token = mint(user, sub=user)
    taken: list[float] = []
    roots = {kind: pids for kind, pids in target.processes.items() if kind != "haproxy"}
    before = cpu.sample(roots)
    for number in range(CONNECTS + WARM):
        if number == WARM:
            before, taken = cpu.sample(roots), []
        began = time.perf_counter()
        await _connect(target, user, token)
        taken.append(time.perf_counter() - began)
    spent = sum(cpu.difference(before, cpu.sample(roots)).values())
    return f"{spent / CONNECTS / 1e6:5.1f} ({sorted(taken)[CONNECTS // 2] * 1000:5.1f})"


async def _connect(target: Target, user: str, token: str) -> None:
    """Connect, wait for the last event that a new connection gets, and break the connection."""
    peer, ready = Peer(user), asyncio.Event()

    def on_event(_peer: Peer, event: SeenEvent) -> None:
        if event.type == "status.bulk":
            ready.set()

    peer.on_event = on_event
    await peer.connect(target, token)
    async with asyncio.timeout(READY_SECONDS):
        await ready.wait()
    peer.cut()


async def rebuild(bench: Bench, counts: UnreadCounts, partitions: Partitions, redis: int, user: str) -> str:
    """Measure how all counts of a user are written to Redis: CPU as in `Bench.cost`, CPU of that Redis server, the median
    duration, and the longest command, which blocks the server meanwhile.
    """
    client = partitions.at(0).client
    await client.config_set("slowlog-log-slower-than", 0)
    await client.config_set("slowlog-max-len", SCRIPTS)
    await client.slowlog_reset()
    before = cpu.nanoseconds(redis)
    cost = await bench.cost(lambda: counts.rebuild([user], force=True), REBUILDS)
    spent = (cpu.nanoseconds(redis) - before) / (REBUILDS + WARM) / 1e6
    longest = max(entry["duration"] for entry in await client.slowlog_get(SCRIPTS)) / 1000
    await client.config_set("slowlog-log-slower-than", -1)
    return f"{cost[: cost.index('(')]}+ {spent:4.1f} {cost[cost.index('(') :]}, {longest:.1f} at a time"


async def measure(target: Target, pool: Pool, partitions: Partitions) -> None:
    """Measure, and print a table in Markdown."""
    bench = await bench_of(pool)
    counts = UnreadCounts(pool, partitions)
    [redis] = target.processes["redis"]
    columns = (
        "conversations",
        "first page",
        "page 100",
        "moved meanwhile",
        "unread only",
        "unread counts",
        "counts into Redis",
        "connect",
    )
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")
    for size in SIZES:
        user = await bench.seed(size)
        await pool.execute("ANALYZE messaging.conversations")
        deep, moved = await bench.deep(user, min(100, size // PAGE)), await bench.moved()
        calls: list[Call] = [
            lambda user=user: bench.page(user, Filters(), FIRST),  # type: ignore[misc]
            lambda user=user, deep=deep: bench.page(user, Filters(), deep),  # type: ignore[misc]
            lambda user=user, moved=moved: bench.page(user, Filters(), moved),  # type: ignore[misc]
            lambda user=user: bench.page(user, Filters(unread=True), FIRST),  # type: ignore[misc]
            lambda user=user: pool.fetch(UNREAD_SUMMARY, user, MAX_COUNTS),  # type: ignore[misc]
        ]
        cells = [await bench.cost(call) for call in calls]
        cells += [await rebuild(bench, counts, partitions, redis, user), await connects(target, user)]
        print(f"| {size:,} | " + " | ".join(cells) + " |", flush=True)


async def main() -> None:
    """Start a stack, measure, and stop it."""
    async with system(Console(stderr=True), SETTINGS) as target:
        assert target.database_url is not None
        assert target.redis_url is not None
        url = SecretStr(target.database_url)
        partitions = open_partitions(target.redis_url)
        try:
            async with pool_of(url, LIST_HINTS) as pool:
                await measure(target, pool, partitions)
            async with pool_of(url, postgres.INDEX_HINTS) as pool:
                print(await appends(pool, await bench_of(pool)))
        finally:
            await partitions.aclose()


if __name__ == "__main__":
    asyncio.run(main())
