"""Idle connections: measures the memory of each, and the CPU of their heartbeats."""

from asyncio import sleep
from typing import Final

from tools.bench import memory
from tools.bench.bench import Bench
from tools.bench.crowd import Crowd
from tools.bench.limits import most_connections
from tools.bench.outcome import Outcome
from tools.bench.window import Window

CONNECTIONS: Final = 10_000
QUICK_CONNECTIONS: Final = 1_000
SETTLE_SECONDS: Final = 5.0
MEASURED_SECONDS: Final = 60.0
"""Longer than a ping period, so that it includes a heartbeat of each connection."""
QUICK_SECONDS: Final = 5.0


async def run(bench: Bench) -> Outcome:
    """Measure the memory before and after connecting, then the CPU while idle."""
    name = bench.target.name
    count = most_connections(QUICK_CONNECTIONS if bench.quick else CONNECTIONS)
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    await _warm_up(bench)
    before = memory.resident(bench.target.processes)
    crowd = Crowd(bench.target, bench.prefix("idle"), count)
    connecting = Window(bench.target)
    async with bench.stages.counted(f"{name}, idle: connecting", count) as progress:
        await crowd.connect(progress)
    connecting.close()
    async with bench.stages.timed(f"{name}, idle: settling", SETTLE_SECONDS):
        await sleep(SETTLE_SECONDS)
    after = memory.resident(bench.target.processes)
    window = Window(bench.target)
    async with bench.stages.timed(f"{name}, idle: watching {count} connections", seconds):
        await sleep(seconds)
    window.close()
    await crowd.cut()
    spent = {kind: nanoseconds / 1e6 / seconds / count * 1e3 for kind, nanoseconds in window.spent_ns.items()}
    return Outcome(
        scenario="idle",
        target=name,
        unit="connection",
        count=count,
        seconds=connecting.seconds,
        cpu_us=connecting.each_us(count),
        generator_us=connecting.generator_us(count),
        memory={kind: round((after[kind] - before[kind]) / count) for kind in after},
        extra={
            **{f"idle_us_a_second_{kind}": round(us, 2) for kind, us in spent.items()},
            **window.disturbance(),
        },
    )


async def _warm_up(bench: Bench) -> None:
    """Open a few connections first, so that memory that processes allocate on first use isn't counted for connections."""
    crowd = Crowd(bench.target, bench.prefix("warm"), 100)
    async with bench.stages.counted(f"{bench.target.name}, idle: warming up", 100) as progress:
        await crowd.connect(progress)
    await crowd.cut()
    await sleep(1)
