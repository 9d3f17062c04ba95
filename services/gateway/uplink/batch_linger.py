"""How long a batch waits to fill: not at all when idle, a few milliseconds under load, where wake-ups are most of the cost.

Only gateways wait. Messaging takes what is there: a second pause would cost more latency than it saves CPU.
"""

import math
from typing import Final

MEMORY_SECONDS: Final = 0.5
WORTHWHILE: Final = 2.5
"""The longest pause is used when it collects this many commands on average."""
SHORTEST_SECONDS: Final = 0.001
"""uvloop's timers count milliseconds, so shorter pauses aren't possible."""


class BatchLinger:
    """Measures the rate of commands over an exponential window, and derives the pause that saves most."""

    __slots__ = ("_at", "_longest", "_recent")

    def __init__(self, longest_seconds: float) -> None:
        self._longest = longest_seconds
        self._recent = 0.0
        self._at = 0.0

    def observe(self, commands: int, now: float) -> None:
        """Note that a batch with this many commands left."""
        self._recent = self._recent * math.exp((self._at - now) / MEMORY_SECONDS) + commands
        self._at = now

    def pause(self, now: float) -> float:
        """Return the seconds to wait before the next batch.

        It is the longest pause where that collects `WORTHWHILE` commands or more on average, none where it collects one
        fewer, and proportional in between.
        """
        per_second = self._recent * math.exp((self._at - now) / MEMORY_SECONDS) / MEMORY_SECONDS
        seconds = self._longest * min(1.0, max(0.0, 1.0 + per_second * self._longest - WORTHWHILE))
        return seconds if seconds >= SHORTEST_SECONDS else 0.0
