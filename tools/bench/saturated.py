"""Messages at full speed: 50 pairs, each with 8 messages under way."""

from asyncio import sleep
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.ledger import judge
from tools.bench.outcome import Outcome
from tools.bench.traffic import Gathering, Traffic
from tools.bench.window import Window

PAIRS: Final = 50
OUTSTANDING: Final = 8
WARM_SECONDS: Final = 3.0
MEASURED_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 4.0
BRIEF_SECONDS: Final = 3.0
BRIEF_WARM_SECONDS: Final = 1.0


async def run(bench: Bench, scenario: str = "saturated") -> Outcome:
    """Connect pairs, and let them chat at full speed."""
    async with bench.gather(bench.target, bench.prefix(scenario), PAIRS) as gathering:
        return await chat(bench, gathering, scenario)


async def chat(bench: Bench, gathering: Gathering, scenario: str) -> Outcome:
    """Warm up, measure, wait for the last messages, check them, and drop the pairs' connections."""
    what = f"{bench.target.name}, {scenario}"
    seconds = BRIEF_SECONDS if bench.brief else QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    warm = BRIEF_WARM_SECONDS if bench.brief else WARM_SECONDS
    traffic = Traffic(gathering.pairs, OUTSTANDING)
    async with bench.stages.timed(f"{what}: warming up", warm):
        traffic.start()
        await sleep(warm)
    async with bench.stages.timed(f"{what}: measuring", seconds):
        outcome = await _measure(bench, traffic, scenario, seconds)
    async with bench.stages.timed(f"{what}: checking", seconds):
        await traffic.finish()
        outcome.verdict = judge([pair.account for pair in traffic.pairs], await gathering.read_stored(traffic))
    outcome.errors = dict(traffic.errors)
    traffic.close()
    return outcome


async def _measure(bench: Bench, traffic: Traffic, scenario: str, seconds: float) -> Outcome:
    traffic.reset()
    window = Window(bench.target)
    await sleep(seconds)
    window.close()
    count = len(traffic.acks)
    return Outcome(
        scenario=scenario,
        target=bench.target.name,
        unit="message",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        ack_ms=summarize(traffic.acks),
        receive_ms=summarize(traffic.receipts),
        extra=window.disturbance(),
    )
