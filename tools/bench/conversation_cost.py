"""`python -m tools.bench.conversation_cost`: what lists, unread counts and appends cost users with few and many conversations.

Works on the migrated database that `CHAT_DATABASE_URL` names, on this machine, and leaves its users there. CPU is that of the
one PostgreSQL session that is used, and of this process, which does what messaging does for a request.
"""

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import SecretStr

from services.messaging.conversation_views import ConversationViews
from services.messaging.stores.appended import Draft
from services.messaging.stores.conversation_list import FIRST, ConversationList, Filters, ListPage
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.sql import LIST_HINTS, UNREAD_SUMMARY
from services.messaging.stores.unread import MAX_COUNTS
from shared import postgres
from shared.postgres import Pool
from shared.protocol.codec import json_encoder
from shared.protocol.relay import SendMessage

SIZES: Final = (10, 1_000, 20_000)
ROUNDS: Final = 100
PAGE: Final = 50

Call = Callable[[], Awaitable[Any]]


class Bench:
    """One user with many conversations, and the statements that are measured."""

    def __init__(self, pool: Pool, backend: psutil.Process) -> None:
        self._pool = pool
        self._backend = backend
        self._own = psutil.Process()
        messages, conversations = Messages(pool), Conversations(pool)
        self.messages, self.lists = messages, ConversationList(pool)
        self.views = ConversationViews(conversations, messages)

    async def seed(self, conversations: int) -> str:
        """A new user with so many conversations."""
        user = str(uuid.uuid4())
        text = files("tools.bench").joinpath("sql", "seed_conversations.sql").read_text(encoding="utf-8")
        await self._pool.execute(
            "INSERT INTO directory.users (id, username, display_name) VALUES ($1::uuid, $1::uuid::text, 'B')", user
        )
        await self._pool.execute(text, user, conversations)
        return user

    async def page(self, user: str, filters: Filters, page: ListPage) -> ListPage | None:
        """One page, as messaging answers it."""
        ids, following = await self.lists.page(user, filters, PAGE, page)
        json_encoder.encode(await self.views.of(user, ids))
        return following

    async def deep(self, user: str, pages: int) -> ListPage:
        """Where the list goes on after so many pages."""
        page: ListPage | None = FIRST
        for _ in range(pages):
            page = await self.page(user, Filters(), page or FIRST)
        return page or FIRST

    async def cost(self, call: Call) -> str:
        """Milliseconds: CPU of PostgreSQL, CPU of this process, and the median from start to end."""
        for _ in range(10):
            await call()
        before, own, taken = self._backend.cpu_times(), self._own.cpu_times(), []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await call()
            taken.append(time.perf_counter() - began)
        after, now = self._backend.cpu_times(), self._own.cpu_times()
        server = (after.user + after.system - before.user - before.system) / ROUNDS * 1000
        client = (now.user + now.system - own.user - own.system) / ROUNDS * 1000
        return f"{server:5.1f} + {client:4.1f} ({sorted(taken)[ROUNDS // 2] * 1000:5.1f})"


async def appends(pool: Pool, bench: Bench) -> str:
    """µs of PostgreSQL's CPU for a message in a conversation that is active, and the share of heap-only updates."""
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


async def main() -> None:
    """Measure, and print a table in Markdown."""
    url = SecretStr(os.environ["CHAT_DATABASE_URL"])
    pool = await postgres.open_pool(url, size=1, application_name="bench", hints=LIST_HINTS)
    backend = psutil.Process(await pool.fetchval("SELECT pg_backend_pid()"))
    bench = Bench(pool, backend)
    print("| conversations | first page | page 100 | unread only | unread counts |\n| --- | --- | --- | --- | --- |")
    for size in SIZES:
        user = await bench.seed(size)
        await pool.execute("ANALYZE messaging.conversations")
        deep = await bench.deep(user, min(100, size // PAGE))
        calls: list[Call] = [
            lambda user=user: bench.page(user, Filters(), FIRST),  # type: ignore[misc]
            lambda user=user, deep=deep: bench.page(user, Filters(), deep),  # type: ignore[misc]
            lambda user=user: bench.page(user, Filters(unread=True), FIRST),  # type: ignore[misc]
            lambda user=user: pool.fetch(UNREAD_SUMMARY, user, MAX_COUNTS),  # type: ignore[misc]
        ]
        print(f"| {size:,} | " + " | ".join([await bench.cost(call) for call in calls]) + " |", flush=True)
    print(await appends(pool, bench))
    await pool.close()


if __name__ == "__main__":
    assert Path("migrations").is_dir(), "run it in the repository"
    asyncio.run(main())
