"""Measures what else uses the machine: other busy processes make every figure worse, so reports show them."""

import os
import platform
import sys
import time
import timeit
from typing import Final, NamedTuple

import psutil


class Busy(NamedTuple):
    """CPU seconds since boot: used by anyone, and taken away by the hypervisor."""

    used: float
    stolen: float


def busy() -> Busy:
    """The machine's CPU times."""
    times = psutil.cpu_times()
    used = times.user + times.nice + times.system + times.irq + times.softirq
    return Busy(used, times.steal)


def describe() -> dict[str, str]:
    """Describe the machine that the benchmark runs on."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": f"{platform.python_version()} of {sys.base_prefix}",
        "python loop": f"{loop_ns():.0f} ns",
    }


LOOP: Final = 100_000
"""Iterations of the measured loop: a few milliseconds."""


def loop_ns() -> float:
    """Return the CPU time of one iteration of a fixed loop of pure Python, nanoseconds: the shortest of several.

    It tells builds of Python apart, and slow hours of a machine. A build without profile-guided optimization has the same
    version and takes a fifth more, and what a build was made with isn't stored in it reliably.
    """
    body = f"for i in range({LOOP}): x = values[i & 7]; known[x] = x + i"
    loop = timeit.Timer(body, "values = list(range(8)); known = {}", timer=time.process_time)
    return min(loop.repeat(repeat=7, number=1)) / LOOP * 1e9


def _cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
