"""All clients of a crowd reconnect at once, while a few pairs go on chatting."""

import asyncio
import random
import time
from typing import Final

from tools.bench.bench import Bench
from tools.bench.crowd import Crowd
from tools.bench.latency import Latency, summarize
from tools.bench.ledger import judge
from tools.bench.limits import most_connections
from tools.bench.outcome import Outcome
from tools.bench.pacer import arrivals, pace
from tools.bench.people import rest_of
from tools.bench.traffic import Traffic, gather_pairs
from tools.bench.window import Window

CONNECTIONS: Final = 5_000
QUICK_CONNECTIONS: Final = 1_000
PAIRS: Final = 5
PROBES_A_SECOND: Final = 50.0
PROBE_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 2.0
SEED: Final = 20240101


async def run(bench: Bench) -> Outcome:
    """Connect a crowd, drop all its connections, and let it reconnect with cursors."""
    name = bench.target.name
    count = most_connections(QUICK_CONNECTIONS if bench.quick else CONNECTIONS)
    crowd = Crowd(bench.target, bench.prefix("storm"), count)
    async with rest_of(bench.target) as rest:
        pairs = await gather_pairs(bench.target, rest, bench.prefix("probe"), PAIRS)
        async with bench.stages.counted(f"{name}, storm: connecting", count) as progress:
            await crowd.connect(progress)
        await asyncio.sleep(SETTLE_SECONDS)
        traffic = Traffic(pairs)
        probing = asyncio.create_task(_probe(traffic))
        window = Window(bench.target)
        async with bench.stages.counted(f"{name}, storm: reconnecting", count) as progress:
            began_at = time.perf_counter()
            await crowd.cut()
            await crowd.connect(progress)
        window.close()
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        await traffic.finish()
        verdict = judge([pair.account for pair in pairs], await traffic.histories(rest))
    delays = summarize(crowd.delays(began_at))
    await crowd.cut()
    traffic.close()
    return Outcome(
        scenario="storm",
        target=name,
        unit="connection",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        ack_ms=summarize(traffic.acks),
        receive_ms=summarize(traffic.receipts),
        extra={
            **({} if delays is None else _named(delays)),
            "recovered_percent": round(100 * crowd.recovered[True] / count, 2),
            "asked_to_wait": sum(crowd.refusals.values()),
            **window.disturbance(),
        },
        errors=dict(traffic.errors),
        verdict=verdict,
    )


def _named(delays: Latency) -> dict[str, float]:
    return {"connected_p50_ms": delays.p50, "connected_p99_ms": delays.p99, "connected_max_ms": delays.max}


async def _probe(traffic: Traffic) -> None:
    """Chat at a low rate, to see whether the storm delays others."""
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    await pace(arrivals(PROBES_A_SECOND, PROBE_SECONDS, chance), traffic.send_next)
