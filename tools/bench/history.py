"""Reading a conversation over REST, page by page."""

import asyncio
import time
from collections import Counter
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.people import rest_of, token_of
from tools.bench.reader import Reader
from tools.bench.traffic import Pair, Traffic, gather_pairs
from tools.bench.window import Window

MESSAGES: Final = 2_000
READERS: Final = 8
PAGE: Final = 50
MEASURED_SECONDS: Final = 8.0
QUICK_SECONDS: Final = 3.0
UNDER_WAY: Final = 100
OK: Final = 200


async def run(bench: Bench) -> Outcome:
    """Write a conversation, then have several readers go through it again and again."""
    name = bench.target.name
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    async with rest_of(bench.target) as rest:
        [pair] = await gather_pairs(bench.target, rest, bench.prefix("history"), 1)
    await _write(bench, pair)
    latencies: list[float] = []
    errors: Counter[str] = Counter()
    async with bench.stages.timed(f"{name}, history: reading", seconds):
        window = Window(bench.target)
        until = time.perf_counter() + seconds
        await asyncio.gather(*(_read(bench, pair, until, latencies, errors) for _ in range(READERS)))
        window.close()
    count = len(latencies)
    return Outcome(
        scenario="history",
        target=name,
        unit="page",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        ack_ms=summarize(latencies),
        extra=window.disturbance(),
        errors=dict(errors),
    )


async def _write(bench: Bench, pair: Pair) -> None:
    traffic = Traffic([pair], UNDER_WAY)
    async with bench.stages.counted(f"{bench.target.name}, history: writing", MESSAGES) as progress:
        traffic.start()
        shown = 0
        while len(traffic.acks) < MESSAGES:
            await asyncio.sleep(0.1)
            progress.add(len(traffic.acks) - shown)
            shown = len(traffic.acks)
        await traffic.finish()
    traffic.close()


async def _read(bench: Bench, pair: Pair, until: float, latencies: list[float], errors: Counter[str]) -> None:
    """Go through the conversation by pages of 50 until the time is over."""
    reader = await Reader.connect(bench.target.url, token_of(pair.receiver.name))
    after = 0
    while (began := time.perf_counter()) < until:
        path = f"/chat/conversations/{pair.account.name}/messages?afterSeq={after}&limit={PAGE}"
        status, _ = await reader.get(path)
        latencies.append(time.perf_counter() - began)
        if status != OK:
            errors[str(status)] += 1
        after = after + PAGE if after + PAGE < MESSAGES else 0
    reader.close()
