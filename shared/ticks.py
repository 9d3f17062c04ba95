"""Periodic work that waits for a common beat, so that all of a process' timers wake it at once.

A wake-up costs a process more than most of what its timers do: at rest, that is all it costs.
"""

import asyncio
import random
from typing import Final

_OFFSET: Final = random.random()  # noqa: S311
"""Of this process, in seconds: processes of one machine must not all wake at the same moment."""


async def next_tick(period_seconds: float) -> float:
    """Sleep until the next multiple of `period_seconds`, at most that long. Returns when that was due, in the loop's time.

    Periods that are multiples of one another fall together.
    """
    loop = asyncio.get_running_loop()
    now = loop.time()
    due = now + period_seconds - (now + _OFFSET) % period_seconds
    await asyncio.sleep(due - now)
    return due
