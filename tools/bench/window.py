"""A measured period: its length, and the CPU that was used in it."""

import gc
import os
import time

from tools.bench import cpu
from tools.bench.machine import busy
from tools.bench.target import Target


class Window:
    """The period begins with the object. After `close`, it has the length and the CPU of each kind of process.

    While it is open this process collects no garbage: the clients would read nothing meanwhile, and the servers would seem slow.
    """

    def __init__(self, target: Target) -> None:
        gc.collect()
        gc.disable()
        self._target = target
        self._busy = busy()
        self._before = cpu.sample(target.processes)
        self._generator = time.process_time_ns()
        self._began = time.perf_counter()
        self.seconds = 0.0
        self.spent_ns: dict[str, int] = {}
        self.generator_ns = 0
        self.foreign_share = 0.0
        self.stolen_share = 0.0

    def close(self) -> None:
        """End the period."""
        self.seconds = time.perf_counter() - self._began
        gc.enable()
        self.generator_ns = time.process_time_ns() - self._generator
        self.spent_ns = cpu.difference(self._before, cpu.sample(self._target.processes))
        now = busy()
        available = self.seconds * (os.cpu_count() or 1)
        ours = (sum(self.spent_ns.values()) + self.generator_ns) / 1e9
        # The machine's times are counted in ticks, ours in nanoseconds: the difference may stray a little.
        self.foreign_share = min(1.0, max(0.0, now.used - self._busy.used - ours) / available)
        self.stolen_share = (now.stolen - self._busy.stolen) / available

    def each_us(self, count: int) -> dict[str, float]:
        """Return the microseconds of CPU for each of `count` units, by kind of process."""
        return {kind: round(spent / 1e3 / max(1, count), 2) for kind, spent in sorted(self.spent_ns.items())}

    def generator_us(self, count: int) -> float:
        """Return the microseconds of the load generator's CPU for each of `count` units."""
        return round(self.generator_ns / 1e3 / max(1, count), 2)

    def disturbance(self) -> dict[str, float]:
        """Return the percentages of the machine's CPU that other processes used, and other guests of the host."""
        return {
            "foreign_cpu_percent": round(100 * self.foreign_share, 1),
            "stolen_cpu_percent": round(100 * self.stolen_share, 1),
        }
