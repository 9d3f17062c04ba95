"""Timers that share one clock tick."""

import asyncio

import pytest

from shared.ticks import next_tick


async def test_timers_of_one_process_fall_together() -> None:
    """However much later than the others a timer is set: both wait for the same moment."""
    first = asyncio.create_task(next_tick(0.4))
    await asyncio.sleep(0.003)
    second = asyncio.create_task(next_tick(0.2))
    due, earlier_or_same = await asyncio.gather(first, second)
    assert (due - earlier_or_same) % 0.2 == pytest.approx(0, abs=1e-6) or (
        due - earlier_or_same
    ) % 0.2 == pytest.approx(0.2, abs=1e-6)


async def test_a_tick_is_never_further_away_than_its_period() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    due = await next_tick(0.05)
    assert before < due <= before + 0.05 + 1e-6
    assert loop.time() >= due - 0.002
