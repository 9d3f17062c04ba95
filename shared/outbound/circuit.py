"""A circuit breaker: whoever doesn't answer isn't asked for a while.

Each request to it would hold a place in its queue for the whole time-out.
"""

from collections.abc import Callable
from typing import Final

FAILURES: Final = 20
"""Time-outs or failed connections in a row that open the circuit."""
SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 120.0


class Circuit:
    """Closed: requests pass. Open: none do. After a while one request passes as a probe: its answer closes the circuit, its
    failure opens it for twice as long.
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
        """True from the failure that opened it to the answer that closes it."""
        return self._blocked_until is not None

    @property
    def would_admit(self) -> bool:
        """True when a request that is made now would pass, as a probe or because the circuit is closed."""
        return self._blocked_until is None or self._now() >= self._blocked_until

    def admit(self) -> bool:
        """True when a request may be made now. Tell its result by `succeeded` or `failed`."""
        if not self.would_admit:
            return False
        if self._blocked_until is not None:
            # A probe may never report, when another replica had sent that notification: then the next one passes after a while.
            self._probing = True
            self._blocked_until = self._now() + self._open_seconds
        return True

    def succeeded(self) -> None:
        """The service answered, whatever it said."""
        self._failures = 0
        self._blocked_until = None
        self._probing = False
        self._open_seconds = SHORTEST_SECONDS

    def failed(self) -> None:
        """The service didn't answer. While the circuit is open only the probe's failure counts: earlier requests fail late."""
        self._failures += 1
        if self._probing:
            self._open_seconds = min(self._open_seconds * 2, self._longest_seconds)
        elif self._blocked_until is not None or self._failures < FAILURES:
            return
        self._probing = False
        self._blocked_until = self._now() + self._open_seconds
