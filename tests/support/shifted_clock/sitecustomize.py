"""Shifts the clock of a Python process by `CLOCK_SHIFT_SECONDS`: Python imports this module at start when it is on PYTHONPATH.

Durations (`time.monotonic`) stay right, as they do on a machine whose clock is wrong.
"""

import datetime
import os
import time

SHIFT_SECONDS = float(os.environ["CLOCK_SHIFT_SECONDS"])
_time, _time_ns = time.time, time.time_ns


class ShiftedDatetime(datetime.datetime):
    """A datetime whose `now` is shifted."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "ShiftedDatetime":
        """By the shifted clock."""
        return cls.fromtimestamp(time.time(), tz)


time.time = lambda: _time() + SHIFT_SECONDS
time.time_ns = lambda: _time_ns() + int(SHIFT_SECONDS * 1e9)
datetime.datetime = ShiftedDatetime  # type: ignore[misc]
