"""A circuit breaker: a server that doesn't answer isn't asked for a while.

Each request to it would take a place in its queue until the time-out.
"""

from collections.abc import Callable
from typing import Final

FAILURES: Final = 20
"""Time-outs or failed connections in a row that open the circuit."""
SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 120.0


class Circuit:
    """Closed: requests pass.

    Open: none pass. After a while, one request passes as a probe: its answer closes the circuit, its failure keeps it open for
    twice as long.
    """

    def __init__(self, now: Callable[[], float], longest_seconds: float = LONGEST_SECONDS) -> None:
        self._now = now
        self._longest_seconds = longest_seconds
        self._failures = 0
        self._blocked_until: float | None = None
        self._probing = False
        self._open_seconds = SHORTEST_SECONDS

    @property
    def is_open(self) -> bool:
        """Return True from the failure that opened the circuit until the answer that closes it."""
        return self._blocked_until is not None

    @property
    def would_admit(self) -> bool:
        """Return True when a request would pass now, as a probe or because the circuit is closed."""
        return self._blocked_until is None or self._now() >= self._blocked_until

    def admit(self) -> bool:
        """Return True when a request may be made now. Report its result by `succeeded` or `failed`."""
        if not self.would_admit:
            return False
        if self._blocked_until is not None:
            # A probe may never report, for instance when another replica has sent that notification. Then the next one passes
            # after a while.
            self._probing = True
            self._blocked_until = self._now() + self._open_seconds
        return True

    def succeeded(self) -> None:
        """Report that the server answered, with any status."""
        self._failures = 0
        self._blocked_until = None
        self._probing = False
        self._open_seconds = SHORTEST_SECONDS

    def failed(self) -> None:
        """Report that the server didn't answer.

        While the circuit is open, only the probe's failure counts, because earlier requests may fail late.
        """
        self._failures += 1
        if self._probing:
            self._open_seconds = min(self._open_seconds * 2, self._longest_seconds)
        elif self._blocked_until is not None or self._failures < FAILURES:
            return
        self._probing = False
        self._blocked_until = self._now() + self._open_seconds
