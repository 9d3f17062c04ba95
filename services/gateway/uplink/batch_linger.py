"""How long a batch waits to fill: not at all at rest, a few milliseconds under load, where wake-ups are most of the cost.

Only gateways wait. Messaging takes what is there: with cheap batches a second pause costs more latency than it saves CPU.
"""

import math
from typing import Final

MEMORY_SECONDS: Final = 0.5
WORTHWHILE: Final = 2.5
"""Commands that the longest pause must collect to be taken whole."""
SHORTEST_SECONDS: Final = 0.001
"""Shorter pauses can't be had: uvloop's timers count milliseconds."""


class BatchLinger:
    """Follows the rate of commands with an exponential window, and says how long a pause pays."""

    __slots__ = ("_at", "_longest", "_recent")

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._recent = 0.0
        self._at = 0.0

    def observe(self, commands: int, now: float) -> None:
        """So many commands left in a batch."""
        self._recent = self._recent * math.exp((self._at - now) / MEMORY_SECONDS) + commands
        self._at = now

    def pause(self, now: float) -> float:
        """Seconds to wait before the next batch.

        The longest pause where it collects `WORTHWHILE` commands or more on average, none where it collects one less, and
        in proportion between.
        """
        per_second = self._recent * math.exp((self._at - now) / MEMORY_SECONDS) / MEMORY_SECONDS
        seconds = self._longest * min(1.0, max(0.0, 1.0 + per_second * self._longest - WORTHWHILE))
        return seconds if seconds >= SHORTEST_SECONDS else 0.0
