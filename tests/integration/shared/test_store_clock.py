"""Processes compare times by Redis' clock, however wrong their own is."""

import time

import pytest

from shared import telemetry
from shared.redis import open_partitions
from shared.store_clock import StoreClock


@pytest.mark.parametrize("off_seconds", [-300, 300])
async def test_a_wrong_clock_is_corrected_and_shown(redis_url: str, off_seconds: int) -> None:
    partitions = open_partitions(redis_url)
    clock = StoreClock(partitions, lambda: time.time() + off_seconds)
    try:
        await clock.compare()
        assert abs(clock.now() - time.time()) < 5
        assert abs(telemetry.CLOCK_OFFSET._value.get() - off_seconds) < 5
    finally:
        await partitions.aclose()
