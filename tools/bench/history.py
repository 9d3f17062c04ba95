"""Reading conversations over REST, page by page."""

import asyncio
from itertools import cycle
from typing import Final

from tools.bench.bench import Bench
from tools.bench.outcome import Outcome
from tools.bench.people import rest_of
from tools.bench.reading import Reading
from tools.bench.traffic import Pair, Traffic, gather_pairs

MESSAGES: Final = 250
"""In each conversation."""
READERS: Final = 8
PAGE: Final = 50
MEASURED_SECONDS: Final = 8.0
QUICK_SECONDS: Final = 3.0
UNDER_WAY: Final = 10


async def run(bench: Bench) -> Outcome:
    """Write conversations, then let their receivers read them again and again."""
    async with rest_of(bench.target) as rest:
        pairs = await gather_pairs(bench.target, rest, bench.prefix("history"), READERS)
    await _write(bench, pairs)
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    readers = [(pair.receiver.name, cycle(_pages(pair.account.name))) for pair in pairs]
    return await Reading(bench, "history", "page").measure(readers, seconds)


def _pages(conversation_id: str) -> list[str]:
    path = f"/chat/conversations/{conversation_id}/messages?afterSeq="
    return [f"{path}{after}&limit={PAGE}" for after in range(0, MESSAGES, PAGE)]


async def _write(bench: Bench, pairs: list[Pair]) -> None:
    traffic = Traffic(pairs, UNDER_WAY)
    total = MESSAGES * len(pairs)
    async with bench.stages.counted(f"{bench.target.name}, history: writing", total) as progress:
        traffic.start()
        shown = 0
        while any(len(pair.account.acknowledged) < MESSAGES for pair in pairs):
            await asyncio.sleep(0.1)
            progress.add(len(traffic.acks) - shown)
            shown = len(traffic.acks)
        await traffic.finish()
    traffic.close()
