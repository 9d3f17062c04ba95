"""Rate limits by the generic cell rate algorithm (ITU-T I.371, annex A), whose state is one number."""

from typing import Final

BURST_SECONDS: Final = 3.0


class Rate:
    """A number for each second, with a burst of `BURST_SECONDS` worth of it. 0 means no limit."""

    __slots__ = ("interval", "tolerance")

    def __init__(self, per_second: float) -> None:
        self.interval = 1 / per_second if per_second else 0.0
        self.tolerance = max(0.0, BURST_SECONDS - self.interval)


class RateLimit:
    """The state of one user of a rate."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def take(self, now: float) -> float:
        """Take one. Returns 0 when it is allowed, else the seconds until it would be."""
        rate = self._rate
        if not rate.interval:
            return 0.0
        full_at = max(self._full_at, now)
        wait = full_at - now - rate.tolerance
        # A burst ends at a multiple of the interval, which floats can't represent exactly.
        if wait > 1e-9:
            return wait
        self._full_at = full_at + rate.interval
        return 0.0


class Flood:
    """Detects that something happens more than `most` times within a second."""

    __slots__ = ("_most", "_second", "_times")

    def __init__(self, most: int) -> None:
        self._most = most
        self._second = 0
        self._times = 0

    def exceeded(self, now: float, weight: int = 1) -> bool:
        """Count `weight` events at `now` (monotonic seconds). True when there are too many."""
        second = int(now)
        if second != self._second:
            self._second, self._times = second, 0
        self._times += weight
        return self._times > self._most
