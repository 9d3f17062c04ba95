"""Periodic work on a common clock tick, so that all timers of a process wake it at the same time.

A wake-up costs more than most timers' work, and is nearly all that an idle process costs.
"""

import asyncio
import random
from typing import Final

_OFFSET: Final = random.random()  # noqa: S311
"""The offset of this process in seconds, so that the processes of one machine don't all wake at the same time."""


async def next_tick(period_seconds: float) -> float:
    """Sleep until the next multiple of `period_seconds`, at most that long. Returns when it was due, in the loop's time.

    Ticks of periods that are multiples of one another coincide.
    """
    loop = asyncio.get_running_loop()
    now = loop.time()
    due = now + period_seconds - (now + _OFFSET) % period_seconds
    await asyncio.sleep(due - now)
    return due
