"""The list of conversations over REST: what a client shows first."""

import asyncio
import time
from functools import partial
from itertools import repeat
from typing import Final

from tools.bench.bench import Bench
from tools.bench.outcome import Outcome
from tools.bench.peer import Peer
from tools.bench.people import rest_of, together
from tools.bench.reading import Reading
from tools.bench.traffic import Pair, Traffic, connect_all

READERS: Final = 8
CONVERSATIONS: Final = 30
"""Conversations of each reader, each with another user, and with one message."""
MEASURED_SECONDS: Final = 8.0
QUICK_SECONDS: Final = 3.0
WRITE_SECONDS: Final = 20.0
PATH: Final = f"/chat/conversations?limit={CONVERSATIONS}"


async def run(bench: Bench) -> Outcome:
    """Create conversations with one message each, then let the readers request their lists."""
    names = [f"{bench.prefix('list')}-{n}" for n in range(READERS)]
    partners = [(f"{name}-{n}", name) for name in names for n in range(CONVERSATIONS)]
    async with rest_of(bench.target) as rest:
        ids = await together(partial(rest.open_conversation, partner, name) for partner, name in partners)
    readers = {name: Peer(name) for name in names}
    pairs = [Pair(Peer(partner), readers[name], i) for (partner, name), i in zip(partners, ids, strict=True)]
    await _write(bench, pairs, [*readers.values(), *(pair.sender for pair in pairs)])
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    return await Reading(bench, "list", "list").measure(((name, repeat(PATH)) for name in names), seconds)


async def _write(bench: Bench, pairs: list[Pair], peers: list[Peer]) -> None:
    """Send a message to the reader in each conversation."""
    await connect_all(bench.target, peers)
    traffic = Traffic(pairs)
    async with bench.stages.timed(f"{bench.target.name}, list: writing", WRITE_SECONDS), asyncio.timeout(WRITE_SECONDS):
        for pair in pairs:
            pair.send(time.perf_counter())
        while len(traffic.acks) < len(pairs):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    traffic.close()
