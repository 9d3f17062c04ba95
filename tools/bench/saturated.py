"""As fast as it goes: 50 pairs, each with 8 messages under way."""

from asyncio import sleep
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.ledger import judge
from tools.bench.outcome import Outcome
from tools.bench.people import rest_of
from tools.bench.traffic import Traffic, gather_pairs
from tools.bench.window import Window

PAIRS: Final = 50
OUTSTANDING: Final = 8
WARM_SECONDS: Final = 3.0
MEASURED_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 4.0


async def run(bench: Bench, scenario: str = "saturated") -> Outcome:
    """Warm up, measure, drain, check."""
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    async with rest_of(bench.target) as rest:
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: warming up", WARM_SECONDS):
            traffic = Traffic(await gather_pairs(bench.target, rest, bench.prefix(scenario), PAIRS), OUTSTANDING)
            traffic.start()
            await sleep(WARM_SECONDS)
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: measuring", seconds):
            outcome = await _measure(bench, traffic, scenario, seconds)
        async with bench.stages.timed(f"{bench.target.name}, {scenario}: checking", seconds):
            await traffic.finish()
            outcome.verdict = judge([pair.account for pair in traffic.pairs], await traffic.histories(rest))
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
    )
