"""How long a delivery waits for an earlier one."""

import asyncio
import time
from typing import Final

from services.messaging import metrics

STEP_SECONDS: Final = 0.003
"""How long one step of waiting takes."""


class WaitBudget:
    """Waits in short steps, for at most `seconds` after the first one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None

    async def wait(self) -> bool:
        """Wait one step. False, without waiting, when the budget is used up."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now >= self._deadline:
            metrics.OVERTAKEN.inc()
            return False
        metrics.DEFERRED.inc()
        await asyncio.sleep(STEP_SECONDS)
        return True
