"""Percentiles are those of the nearest rank."""

from tools.bench.latency import Latency, summarize


def test_nearest_rank() -> None:
    assert summarize([n / 1000 for n in range(1, 101)]) == Latency(50, 95, 99, 100)
    assert summarize([0.003]) == Latency(3, 3, 3, 3)


def test_without_latencies_there_is_nothing() -> None:
    assert summarize([]) is None
