"""The order keys of one endpoint, and which of them may be posted now.

A key is idle, claimed by one worker, or delayed until a time. Nothing else decides who posts a key's events: two workers on
one key would post its events twice and out of order.
"""

import heapq
from collections.abc import Mapping
from datetime import datetime


class OrderKeys:
    """Claims and delays. A key that it doesn't know is idle. `delayed`: keys behind a refused event, from PostgreSQL."""

    def __init__(self, delayed: Mapping[str, datetime]) -> None:
        self._claimed: set[str] = set()
        self._delayed: dict[str, datetime] = {}
        self._queue: list[tuple[datetime, str]] = []
        self.restore(delayed)

    @property
    def claimed(self) -> list[str]:
        """Keys that a worker has."""
        return list(self._claimed)

    @property
    def claimed_count(self) -> int:
        """How many keys a worker has."""
        return len(self._claimed)

    @property
    def delayed_count(self) -> int:
        """How many keys wait behind a refused event."""
        return len(self._delayed)

    def delayed_until(self, key: str) -> datetime | None:
        """When a delayed key is tried again; None when it isn't delayed."""
        return self._delayed.get(key)

    def claim(self, key: str) -> bool:
        """Claim an idle key. False for one that is claimed or delayed."""
        if key in self._claimed or key in self._delayed:
            return False
        self._claimed.add(key)
        return True

    def claim_due(self, now: datetime, most: int) -> list[str]:
        """Claim up to `most` delayed keys whose time has come, the longest waiting first."""
        found: list[str] = []
        while self._queue and self._queue[0][0] <= now and len(found) < most:
            at, key = heapq.heappop(self._queue)
            # An entry is void when its key was claimed, or delayed until another time, since.
            if self._delayed.get(key) == at:
                del self._delayed[key]
                self._claimed.add(key)
                found.append(key)
        return found

    def delay(self, key: str, until: datetime) -> None:
        """End the claim: the key waits until then."""
        self._claimed.discard(key)
        self._delayed[key] = until
        heapq.heappush(self._queue, (until, key))

    def release(self, key: str) -> None:
        """End the claim: the key is idle."""
        self._claimed.discard(key)

    def restore(self, delayed: Mapping[str, datetime]) -> None:
        """Delay those that are idle here: another replica left them behind a refused event."""
        for key, until in delayed.items():
            if key not in self._claimed and key not in self._delayed:
                self.delay(key, until)

    def hasten(self, now: datetime) -> None:
        """Delayed keys are due now: the endpoint takes events again."""
        self._delayed = dict.fromkeys(self._delayed, now)
        self._queue = [(now, key) for key in self._delayed]
        heapq.heapify(self._queue)
