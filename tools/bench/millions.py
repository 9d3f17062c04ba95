"""`python -m tools.bench.millions 3000000`: measures lists, pages, unread counts and messages beside 3,000,000 stored messages.

It fills a stack of its own with a hundred messages in each conversation, and thirty conversations for each user. Then it restarts
the stack, with nothing in memory. It measures each kind of request twice: cold, when these rows are first read, and again.
30 million messages need about 12 GB of disk and eight minutes. All data is deleted in the end.
Each line that it prints is a row of the table in docs/performance, «Scale»: the first three numbers under «the first time».
"""

import asyncio
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import asyncpg
import typer
import uvloop
from rich.console import Console

from shared.postgres import load_sql
from tools.bench.limits import raise_open_files
from tools.bench.pacer import arrivals, pace
from tools.bench.peer import Peer
from tools.bench.people import token_of
from tools.bench.reader import Reader
from tools.bench.system import HOME, USUAL, system
from tools.bench.target import Target
from tools.bench.traffic import Pair, Traffic, connect_all
from tools.devtoken import user_id

MESSAGES: Final = 100
"""Messages in each conversation."""
PARTNERS: Final = 15
"""All users form a ring. Each has a conversation with this many next users, and so with as many users before."""
SEQS_AT_ONCE: Final = 5
REQUESTS: Final = 400
PAIRS: Final = 50
RATE: Final = 100.0
SECONDS: Final = 10.0
CACHES: Final = Path("/proc/sys/vm/drop_caches")
SEED: Final = 20240101


class History:
    """Users in a ring, each with `PARTNERS` conversations to the next ones."""

    def __init__(self, messages: int) -> None:
        self.users = max(2 * PARTNERS + 1, messages // MESSAGES // PARTNERS)
        self.names = [f"past-{number}" for number in range(self.users)]
        self._ids = [str(user_id(name)) for name in self.names]

    async def write(self, database: asyncpg.Connection) -> None:
        """Fill the tables. Raises what asyncpg raises."""
        people = [(each, name, name, name) for each, name in zip(self._ids, self.names, strict=True)]
        columns = ["id", "username", "username_key", "display_name"]
        await database.copy_records_to_table("users", schema_name="directory", records=people, columns=columns)
        pairs = [
            sorted((self._ids[number], self._ids[(number + step) % self.users]))
            for number in range(self.users)
            for step in range(1, PARTNERS + 1)
        ]
        await database.execute(
            "INSERT INTO messaging.conversations (id, user_low, user_high, last_seq, version, unread_low, created_at, updated_at)"
            " SELECT gen_random_uuid(), low, high, $3, 1, 1, now(), now() FROM unnest($1::uuid[], $2::uuid[]) AS p (low, high)",
            *map(list, zip(*pairs, strict=True)),
            MESSAGES,
        )
        insert = load_sql("tools.bench", "seed_millions")
        for first in range(1, MESSAGES + 1, SEQS_AT_ONCE):
            await database.execute(insert, first, first + SEQS_AT_ONCE - 1)


def forget_files() -> bool:
    """Drop the kernel's cache of files. Returns False where that isn't allowed."""
    try:
        CACHES.write_text("3")
    except OSError:
        return False
    return True


async def ask(target: Target, names: list[str], path_of: Callable[[str], str]) -> str:
    """Send one request for each user in turn, and return percentiles."""
    times: list[float] = []
    for name in names:
        reader = await Reader.connect(target.url, token_of(name))
        began = time.perf_counter()
        status, _ = await reader.get(path_of(name))
        times.append(time.perf_counter() - began)
        reader.close()
        if status != 200:
            raise ConnectionError(f"{path_of(name)} was answered {status}")
    return percentiles(times)


def percentiles(times: list[float]) -> str:
    """Return the median, and the percentiles 95 and 99."""
    times = sorted(times)
    return " / ".join(f"{1000 * times[int(share * (len(times) - 1))]:.1f}" for share in (0.5, 0.95, 0.99)) + " ms"


async def measure(target: Target, history: History, console: Console) -> None:
    """Request rows that nobody has read since the start, request them again, then send messages."""
    chance = random.Random(SEED)  # noqa: S311 - the same users in each run
    names = chance.sample(history.names, min(REQUESTS, history.users))
    conversations = await _conversations(target, names)
    for what, path_of in {
        "list of 30": lambda _: "/chat/conversations?limit=30",
        "page of 50": lambda name: f"/chat/conversations/{conversations[name]}/messages?limit=50",
        "unread": lambda _: "/chat/unread",
    }.items():
        cold, again = await ask(target, names, path_of), await ask(target, names, path_of)
        console.print(f"{what}: {cold} at first, {again} again")
    await _send(target, names[:PAIRS], conversations, console)


async def _conversations(target: Target, names: list[str]) -> dict[str, str]:
    """Return user → one of the user's conversations. Only that table is scanned, so all others stay cold."""
    database = await asyncpg.connect(target.database_url)
    try:
        rows = await database.fetch(
            "SELECT DISTINCT ON (user_low) user_low::text AS user_id, id::text FROM messaging.conversations"
            " UNION ALL SELECT DISTINCT ON (user_high) user_high::text, id::text FROM messaging.conversations"
        )
    finally:
        await database.close()
    of = {row["user_id"]: row["id"] for row in rows}
    return {name: of[str(user_id(name))] for name in names}


async def _send(target: Target, names: list[str], conversations: dict[str, str], console: Console) -> None:
    """Send messages to old conversations. Only the senders are connected."""
    pairs = [Pair(Peer(name), Peer(name), conversations[name]) for name in names]
    await connect_all(target, [pair.sender for pair in pairs])
    traffic = Traffic(pairs)
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    await pace(arrivals(RATE, SECONDS, chance), traffic.send_next)
    await asyncio.sleep(1)
    console.print(f"message, {RATE:.0f} a second: {percentiles(traffic.acks)} for {len(traffic.acks)}")
    traffic.close()


@contextmanager
def timed(console: Console, what: str) -> Iterator[None]:
    """Print how long the block takes."""
    began = time.perf_counter()
    yield
    console.print(f"{what}: {time.perf_counter() - began:.0f} s")


async def run(messages: int, home: Path, console: Console) -> None:
    """Fill the tables, vacuum, restart, and measure."""
    history = History(messages)
    async with system(console, USUAL, "seeding", home=home) as target:
        database = await asyncpg.connect(target.database_url)
        with timed(console, f"{messages:,} messages written"):
            await history.write(database)
        with timed(console, "vacuum"):
            await database.execute("VACUUM ANALYZE messaging.messages, messaging.conversations")
        for row in await database.fetch(load_sql("tools.bench", "sizes")):
            console.print(f"{row['name']}: {row['bytes'] / 1e6:,.0f} MB")
        await database.close()
    console.print("nothing is in memory" if forget_files() else "[yellow]the kernel keeps files: nothing is cold[/]")
    async with system(console, USUAL, "again", home=home) as target:
        await measure(target, history, console)


def main(messages: Annotated[int, typer.Argument(min=MESSAGES, help="How many.")]) -> None:
    """Measure what requests cost beside a long history."""
    raise_open_files()
    home = HOME.with_name("bench-millions")
    try:
        uvloop.run(run(messages, home, Console(width=140)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    typer.run(main)
