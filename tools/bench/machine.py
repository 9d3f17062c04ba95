"""Measures what else uses the machine: other busy processes make every figure worse, so reports show them."""

import os
import platform
from typing import NamedTuple

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
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
