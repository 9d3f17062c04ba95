"""Pauses between polls grow while there is nothing to find, and end at once when there is."""

import asyncio

import pytest

from shared.polling import Polling


async def test_pauses_grow_to_the_longest_and_shrink_when_something_is_found() -> None:
    polling = Polling(0.001, 0.004)
    seen = []
    for _ in range(6):
        seen.append(polling.seconds)
        await polling.pause()
    assert seen == pytest.approx([0.001, 0.0015, 0.00225, 0.003375, 0.004, 0.004])
    polling.found()
    assert polling.seconds == 0.001


async def test_who_is_told_looks_at_once_also_when_told_before_the_pause() -> None:
    polling = Polling(3600, 3600)
    polling.tell()
    async with asyncio.timeout(10):
        await polling.pause()
        pausing = asyncio.create_task(polling.pause())
        await asyncio.sleep(0)
        assert not pausing.done()
        polling.tell()
        await pausing
