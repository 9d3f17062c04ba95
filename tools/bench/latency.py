"""Latencies of one scenario."""

import math
from collections.abc import Sequence

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


def summarize(seconds: Sequence[float]) -> Latency | None:
    """Nearest-rank percentiles of durations in seconds; None when there are none."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1] * 1e3, 3)

    return Latency(rank(0.5), rank(0.95), rank(0.99), round(ordered[-1] * 1e3, 3))
