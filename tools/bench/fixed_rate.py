"""Messages at a fixed rate, whether the system keeps up or not. Latency counts from the intended time."""

import random
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.ledger import judge
from tools.bench.outcome import Outcome
from tools.bench.pacer import arrivals, pace
from tools.bench.traffic import Traffic
from tools.bench.window import Window

PAIRS: Final = 50
WARM_SECONDS: Final = 2.0
MEASURED_SECONDS: Final = 15.0
QUICK_SECONDS: Final = 5.0
BRIEF_SECONDS: Final = 4.0
BRIEF_WARM_SECONDS: Final = 1.0
SEED: Final = 20240101


async def run(bench: Bench, rate: float) -> Outcome:
    """Warm up at this rate, measure, wait for the last messages, and check that none is lost."""
    scenario = f"{rate:.0f}/s"
    seconds = BRIEF_SECONDS if bench.brief else QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    warm = BRIEF_WARM_SECONDS if bench.brief else WARM_SECONDS
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    async with bench.gather(bench.target, bench.prefix(f"r{rate:.0f}"), PAIRS) as gathering:
        traffic = Traffic(gathering.pairs)
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: warming up", warm):
            await pace(arrivals(rate, warm, chance), traffic.send_next)
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: measuring", seconds):
            traffic.reset()
            window = Window(bench.target)
            await pace(arrivals(rate, seconds, chance), traffic.send_next)
            window.close()
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: checking", 1):
            # Messages that were sent before the window closed and are still under way count for the latencies too.
            await traffic.finish()
            verdict = judge([pair.account for pair in traffic.pairs], await gathering.read_stored(traffic))
    traffic.close()
    count = len(traffic.acks)
    return Outcome(
        scenario=scenario,
        target=bench.target.name,
        unit="message",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        extra=window.disturbance(),
        ack_ms=summarize(traffic.acks),
        receive_ms=summarize(traffic.receipts),
        errors=dict(traffic.errors),
        verdict=verdict,
    )
