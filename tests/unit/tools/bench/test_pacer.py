"""Load is sent at its intended times, also after a delay."""

import random
import time

import pytest

from tools.bench.pacer import arrivals, pace


def test_arrivals_have_the_rate_and_are_the_same_each_time() -> None:
    times = list(arrivals(1000, 10, random.Random(1)))
    assert len(times) == pytest.approx(10_000, rel=0.05)
    assert times == sorted(times)
    assert times == list(arrivals(1000, 10, random.Random(1)))


async def test_each_is_called_once_with_its_time() -> None:
    began = time.perf_counter()
    calls: list[tuple[float, float]] = []
    await pace(iter([0.01, 0.02, 0.0201, 0.05]), lambda intended: calls.append((intended, time.perf_counter())))
    assert [round(intended - began, 2) for intended, _ in calls] == pytest.approx([0.01, 0.02, 0.02, 0.05], abs=0.02)
    assert all(called >= intended for intended, called in calls)


async def test_a_late_one_keeps_its_time() -> None:
    calls: list[float] = []

    def act(intended: float) -> None:
        calls.append(intended)
        if len(calls) == 1:
            time.sleep(0.05)

    await pace(iter([0.0, 0.01, 0.02]), act)
    assert calls[1] - calls[0] == pytest.approx(0.01, abs=1e-6)
    assert calls[2] - calls[1] == pytest.approx(0.01, abs=1e-6)


async def test_without_times_it_ends_at_once() -> None:
    await pace(iter([]), lambda _: None)
