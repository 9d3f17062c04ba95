"""The CPU of the system while no client is connected: the least that it costs."""

from asyncio import sleep
from typing import Final

from tools.bench.bench import Bench
from tools.bench.outcome import Outcome
from tools.bench.window import Window

SETTLE_SECONDS: Final = 8.0
MEASURED_SECONDS: Final = 30.0
QUICK_SECONDS: Final = 10.0


async def run(bench: Bench) -> Outcome:
    """Wait until the start is over, then watch. The unit is a second."""
    name = bench.target.name
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    async with bench.stages.timed(f"{name}, nobody: settling", SETTLE_SECONDS):
        await sleep(SETTLE_SECONDS)
    async with bench.stages.timed(f"{name}, nobody: watching", seconds):
        window = Window(bench.target)
        await sleep(seconds)
        window.close()
    count = round(seconds)
    return Outcome(
        scenario="nobody",
        target=name,
        unit="second",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        extra=window.disturbance(),
    )
