"""`python -m tools.bench.server_api import|follows|erase`: measures how fast the server API imports, synchronises and erases.

Each command starts a stack of its own, and stops it. All input is prepared before the measurement. During an erasure other users
chat; the latency of their acknowledgements shows how much the erasure delays them.
"""

import asyncio
import json
import random
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import httpx
import typer
import uvloop
from rich.console import Console

from tools.bench.latency import summarize
from tools.bench.pacer import arrivals, pace
from tools.bench.people import rest_of, together
from tools.bench.system import USUAL, system
from tools.bench.target import Target
from tools.bench.traffic import Traffic, gather_pairs
from tools.bench.window import Window
from tools.devtoken import mint

SCOPE: Final = "chat.admin"
CALL_SECONDS: Final = 600
PIECE_BYTES: Final = 256 * 1024
EDGES_AT_ONCE: Final = 1_000
CALLERS: Final = 4
"""Calls with edges under way at once."""
MESSAGES_EACH: Final = 20
"""Messages of each imported conversation."""
PAIRS: Final = 10
PROBES_PER_SECOND: Final = 50.0
ALONE_SECONDS: Final = 10.0
JOB_SECONDS: Final = 0.2
BEGINNING: Final = 1_577_880_000
"""Unix seconds of the first imported message: 1 January 2020."""

Line = dict[str, Any]


@asynccontextmanager
async def caller(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of the server API, as the platform's back end has."""
    headers = {"Authorization": f"Bearer {mint('platform', scope=SCOPE)}"}
    url = f"{target.admin_url}/chat/admin"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=CALL_SECONDS, trust_env=False) as http:
        yield http


def people(count: int) -> list[str]:
    """Return ids for new users."""
    return [str(uuid.uuid4()) for _ in range(count)]


def user_lines(users: Iterable[str]) -> Iterator[Line]:
    """Yield users as lines of an import."""
    for user in users:
        yield {"kind": "user", "id": user, "username": f"imported-{user}", "displayName": "Imported", "avatar": None}


def message_lines(pairs: Iterable[tuple[str, str]], each: int) -> Iterator[Line]:
    """Yield `each` messages of 100 characters of every pair, ordered by time, so that conversations are mixed."""
    listed = list(pairs)
    for number in range(each):
        for pair in listed:
            yield {
                "kind": "message",
                "userIds": pair,
                "senderId": pair[number % 2],
                "type": "text",
                "content": f"message {number} ".ljust(100, "."),
                "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGINNING + number)),
                "tempId": f"old-{number}",
            }


class Imports:
    """Writes lines to files and imports them."""

    def __init__(self, http: httpx.AsyncClient, folder: Path) -> None:
        self._http = http
        self._folder = folder

    def write(self, name: str, lines: Iterable[Line]) -> Path:
        """Write lines to a file, and return its path."""
        path = self._folder / name
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
        return path

    async def run(self, path: Path) -> dict[str, Any]:
        """Import a file, and return the response. Raises httpx.HTTPStatusError."""
        headers = {"Content-Type": "application/x-ndjson"}
        answer = await self._http.post("/import", content=_pieces(path), headers=headers)
        result: dict[str, Any] = answer.raise_for_status().json()
        assert not result["failures"], result["failed"][:3]
        return result


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


@asynccontextmanager
async def imports(http: httpx.AsyncClient) -> AsyncIterator[Imports]:
    """Imports, whose files are deleted at the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield Imports(http, Path(folder))


async def measure_import(console: Console, target: Target, messages: int) -> None:
    """Import users, then messages, then the same messages again."""
    pairs = [(users[0], users[1]) for users in (people(2) for _ in range(max(1, messages // MESSAGES_EACH)))]
    async with caller(target) as http, imports(http) as files:
        given = {
            "users": files.write("users", user_lines(user for pair in pairs for user in pair)),
            "messages": files.write("messages", message_lines(pairs, MESSAGES_EACH)),
        }
        for name in ("users", "messages", "messages"):
            window = Window(target)
            result = await files.run(given[name])
            window.close()
            lines = result["imported"] + result["skipped"]
            spent = ", ".join(f"{kind} {each:.0f}" for kind, each in window.each_us(lines).items() if each >= 0.5)
            console.print(
                f"{name}: {result['imported']:,} imported, {result['skipped']:,} skipped in {window.seconds:.1f} s: "
                f"{lines / window.seconds:,.0f} lines/s; µs of CPU a line: {spent}"
            )
    await _check_import(console, target, pairs[0])


async def _check_import(console: Console, target: Target, pair: tuple[str, str]) -> None:
    """Print what one of the users sees right afterwards."""
    headers = {"Authorization": f"Bearer {mint(f'imported-{pair[0]}', sub=pair[0])}"}
    async with httpx.AsyncClient(base_url=target.url, headers=headers, trust_env=False) as http:
        (shown,) = (await http.get("/chat/conversations")).raise_for_status().json()["items"]
    console.print(
        f"right afterwards: lastSeq {shown['lastSeq']}, unread {shown['unread']}, {shown['lastMessage']['content'][:12]!r}"
    )


async def measure_follows(console: Console, target: Target, edges: int) -> None:
    """Synchronise a whole follow graph, and do it again."""
    users = people(max(2, edges // 50))
    graph = list(graph_of(users, edges))
    batches = [graph[first : first + EDGES_AT_ONCE] for first in range(0, len(graph), EDGES_AT_ONCE)]
    async with caller(target) as http, imports(http) as files:
        await files.run(files.write("users", user_lines(users)))
        for name in ("new", "the same again"):
            window = Window(target)
            await _limited(CALLERS, [partial(_put_follows, http, batch) for batch in batches])
            window.close()
            spent = ", ".join(f"{kind} {each:.0f}" for kind, each in window.each_us(len(graph)).items() if each >= 0.5)
            console.print(
                f"{name}: {len(graph):,} edges of {len(users):,} users in {window.seconds:.1f} s: "
                f"{len(graph) / window.seconds:,.0f}/s, a million in {1e6 * window.seconds / len(graph) / 60:.1f} min; "
                f"µs of CPU an edge: {spent}"
            )


def graph_of(users: list[str], edges: int) -> Iterator[Line]:
    """Yield this many edges: users in a ring follow the ones before them, and half of them are followed back."""
    made = 0
    for step in range(1, len(users)):
        for place, user in enumerate(users):
            for one, other in ((user, users[place - step]), (users[place - step], user))[: 1 + step % 2]:
                if made == edges:
                    return
                made += 1
                yield {"follower": one, "followee": other, "follows": True}


async def _put_follows(http: httpx.AsyncClient, batch: list[Line]) -> None:
    (await http.put("/follows", json=batch)).raise_for_status()


async def _limited(most: int, calls: list[Callable[[], Awaitable[None]]]) -> None:
    turns = asyncio.Semaphore(most)

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        async with turns:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


async def measure_erase(console: Console, target: Target, messages: int) -> None:
    """Erase a user with many conversations while others chat."""
    user, *others = people(1 + max(1, messages // MESSAGES_EACH))
    async with caller(target) as http, imports(http) as files, rest_of(target) as rest:
        await files.run(files.write("users", user_lines((user, *others))))
        await files.run(files.write("messages", message_lines([(user, other) for other in others], MESSAGES_EACH)))
        graph = [{"follower": user, "followee": other, "follows": True} for other in others]
        await together(
            partial(_put_follows, http, graph[first : first + EDGES_AT_ONCE])
            for first in range(0, len(graph), EDGES_AT_ONCE)
        )
        traffic = Traffic(await gather_pairs(target, rest, f"probe-{user[:8]}", PAIRS))
        await probe(console, "alone", traffic, asyncio.sleep(ALONE_SECONDS))
        began = time.monotonic()
        await probe(console, "beside the erasure", traffic, erase(http, user))
        seconds = time.monotonic() - began
        traffic.close()
    own = len(others) * MESSAGES_EACH // 2
    console.print(
        f"erased in {seconds:.1f} s: {own:,} own messages in {len(others):,} conversations, {own / seconds:,.0f}/s"
    )
    await _check_erased(console, target, user)


async def erase(http: httpx.AsyncClient, user: str) -> None:
    """Erase, and wait until the job is done."""
    job = (await http.delete(f"/users/{user}")).raise_for_status().json()
    while job["state"] != "done":
        await asyncio.sleep(JOB_SECONDS)
        job = (await http.get(f"/jobs/{job['id']}")).raise_for_status().json()


async def probe(console: Console, name: str, traffic: Traffic, work: Awaitable[None]) -> None:
    """Send messages at a steady rate until `work` is done, and print how long their acknowledgements took."""
    traffic.reset()
    chance = random.Random(PAIRS)  # noqa: S311 - the same arrivals in each run
    sending = asyncio.create_task(pace(arrivals(PROBES_PER_SECOND, CALL_SECONDS, chance), traffic.send_next))
    try:
        await work
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    await traffic.finish()
    seen = summarize(traffic.acks)
    if seen is not None:
        console.print(f"ack of others {name}: p50 {seen.p50:.1f} / p99 {seen.p99:.1f} ms of {len(traffic.acks):,}")


async def _check_erased(console: Console, target: Target, user: str) -> None:
    connection = await asyncpg.connect(target.database_url)
    query = "SELECT count(*) FROM messaging.messages WHERE sender_id = $1::uuid AND deleted_at IS NULL"
    left = await connection.fetchval(query, user)
    await connection.close()
    console.print(f"left of the user: {left} messages")


Measure = Callable[[Console, Target, int], Awaitable[None]]


async def _run(measure: Measure, count: int) -> None:
    console = Console(width=160)
    async with system(console, USUAL) as target:
        await measure(console, target, count)


app = typer.Typer(pretty_exceptions_enable=False, help="Measure the server API.")


@app.command("import")
def import_command(messages: Annotated[int, typer.Option(min=20)] = 200_000) -> None:
    """Import users and their messages, and the messages again."""
    uvloop.run(_run(measure_import, messages))


@app.command("follows")
def follows_command(edges: Annotated[int, typer.Option(min=1_000)] = 1_000_000) -> None:
    """Synchronise a follow graph twice."""
    uvloop.run(_run(measure_follows, edges))


@app.command("erase")
def erase_command(
    messages: Annotated[int, typer.Option(min=20, help="Of the user and of the others together.")] = 20_000,
) -> None:
    """Erase a user while others chat."""
    uvloop.run(_run(measure_erase, messages))


if __name__ == "__main__":
    app()
