"""Reading over REST: several users send one request after another, each over its own connection, until the time is over."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.people import token_of
from tools.bench.reader import Reader
from tools.bench.window import Window

OK = 200


class Reading:
    """Users who request paths without a pause."""

    def __init__(self, bench: Bench, scenario: str, unit: str) -> None:
        self._bench = bench
        self._scenario = scenario
        self._unit = unit
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()

    async def measure(self, readers: Iterable[tuple[str, Iterator[str]]], seconds: float) -> Outcome:
        """Let all users request their paths for so many seconds, and return the figures."""
        bench = self._bench
        async with bench.stages.timed(f"{bench.target.name}, {self._scenario}: reading", seconds):
            window = Window(bench.target)
            until = time.perf_counter() + seconds
            await asyncio.gather(*(self._read(name, paths, until) for name, paths in readers))
            window.close()
        count = len(self._latencies)
        return Outcome(
            scenario=self._scenario,
            target=bench.target.name,
            unit=self._unit,
            count=count,
            seconds=window.seconds,
            cpu_us=window.each_us(count),
            generator_us=window.generator_us(count),
            ack_ms=summarize(self._latencies),
            extra=window.disturbance(),
            errors=dict(self._errors),
        )

    async def _read(self, name: str, paths: Iterator[str], until: float) -> None:
        reader = await Reader.connect(self._bench.target.url, token_of(name))
        while (began := time.perf_counter()) < until:
            status, _ = await reader.get(next(paths))
            self._latencies.append(time.perf_counter() - began)
            if status != OK:
                self._errors[str(status)] += 1
        reader.close()
