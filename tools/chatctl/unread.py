"""`chatctl unread`: a user's unread counts in PostgreSQL, and their copies in Redis."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from services.messaging.stores.unread import TOTAL, UnreadCounts
from shared import postgres
from shared.protocol import keys
from shared.redis import Partitions
from tools.chatctl.users import find_user
from tools.failure import Failure, explained
from tools.target import JsonOption, backend_url, open_redis


@dataclass(frozen=True, slots=True)
class Count:
    """Unread messages of a conversation (or «total»). `copied` is None when Redis has no copy."""

    conversation: str
    stored: int
    copied: int | None

    @property
    def agrees(self) -> bool:
        """Return whether both agree. A missing copy is not an error: it is made when it is needed."""
        return self.copied is None or self.copied == self.stored


def unread(
    user: Annotated[str, typer.Argument(help="A user id or a username.")],
    repair: Annotated[bool, typer.Option("--repair", help="Make Redis' copy again from PostgreSQL.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare USER's counts in PostgreSQL and Redis; fails when they differ and aren't repaired."""
    with explained():
        counts = asyncio.run(counts_of(user, repair=repair))
    if as_json:
        print(json.dumps([asdict(count) for count in counts]))
    else:
        Console().print(_table(counts))
    if not all(count.agrees for count in counts):
        remedy = "look at a running system again in a moment: it is changing" if repair else "repair it with --repair"
        raise Failure("Redis and PostgreSQL differ", remedy)


async def counts_of(user: str, *, repair: bool) -> list[Count]:
    """Return the total, and each conversation with a count in either place; repaired first if `repair` is true.

    Raises Failure for a name that nobody has, and what asyncpg and redis raise.
    """
    subject = await find_user(user)
    async with _backends() as (pool, partitions):
        counts = UnreadCounts(pool, partitions)
        if repair:
            await counts.rebuild([subject], force=True)
        # Conversations without unread messages matter only where the copy has a count.
        wrong = {found.name: found.postgres for found in await counts.compare(subject) if found.name != TOTAL}
        stored = {**wrong, **await counts.of(subject)}
        partition = partitions.of(subject)
        names = [partition.key(keys.UNREAD_CONVERSATION, subject, conversation) for conversation in stored]
        copies = await partition.client.mget([partition.key(keys.UNREAD_TOTAL, subject), *names])
    copied = [None if copy is None else int(copy) for copy in copies]
    total = Count(TOTAL, sum(stored.values()), copied[0])
    return [total, *(Count(*item) for item in zip(stored, stored.values(), copied[1:], strict=True))]


@asynccontextmanager
async def _backends() -> AsyncIterator[tuple[postgres.Pool, Partitions]]:
    database = SecretStr(backend_url("database", "CHAT_DATABASE_URL"))
    partitions = open_redis()
    pool = await postgres.open_pool(database, size=1, application_name="chatctl")
    try:
        yield pool, partitions
    finally:
        await pool.close()
        await partitions.aclose()


def _table(counts: list[Count]) -> Table:
    table = Table()
    for heading in ("conversation", "PostgreSQL", "Redis"):
        table.add_column(heading, justify="left" if heading == "conversation" else "right")
    for count in counts:
        copied = "–" if count.copied is None else str(count.copied)
        table.add_row(count.conversation, str(count.stored), copied if count.agrees else f"[red]{copied}[/]")
    return table
