"""Gateways stamp commands by Redis' clock, however wrong their own is."""

import time

import pytest

from services.gateway.store_clock import StoreClock
from shared.redis import open_shards


@pytest.mark.parametrize("off_seconds", [-300, 300])
async def test_a_wrong_clock_is_corrected(redis_url: str, off_seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = open_shards(redis_url)
    right = time.time
    monkeypatch.setattr("services.gateway.store_clock.time.time", lambda: right() + off_seconds)
    clock = StoreClock(shards)
    try:
        await clock.compare()
        assert abs(clock.now() - right()) < 5
    finally:
        await shards.aclose()
