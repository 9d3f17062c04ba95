"""The states of one endpoint's order keys.

A key is idle, claimed by one worker, or delayed until its refused event is retried. Only a claim allows posting a key's events:
two workers on one key would post its events twice and out of order.
"""

import heapq
from collections.abc import Mapping
from datetime import datetime


class OrderKeys:
    """Claims and delays of keys. An unknown key is idle. `delayed`: keys with a refused event, from PostgreSQL."""

    def __init__(self, delayed: Mapping[str, datetime]) -> None:
        self._claimed: set[str] = set()
        self._delayed: dict[str, datetime] = {}
        self._queue: list[tuple[datetime, str]] = []
        self.restore(delayed)

    @property
    def claimed(self) -> list[str]:
        """Return the claimed keys."""
        return list(self._claimed)

    @property
    def claimed_count(self) -> int:
        """Return the number of claimed keys."""
        return len(self._claimed)

    @property
    def delayed_count(self) -> int:
        """Return the number of delayed keys."""
        return len(self._delayed)

    def retry_at(self, key: str) -> datetime | None:
        """Return when a delayed key is retried; None when it isn't delayed."""
        return self._delayed.get(key)

    def claim(self, key: str) -> bool:
        """Claim an idle key. False for one that is claimed or delayed."""
        if key in self._claimed or key in self._delayed:
            return False
        self._claimed.add(key)
        return True

    def claim_due(self, now: datetime, most: int) -> list[str]:
        """Claim up to `most` delayed keys that are due, the longest waiting first."""
        found: list[str] = []
        while self._queue and self._queue[0][0] <= now and len(found) < most:
            retry_at, key = heapq.heappop(self._queue)
            # An entry is invalid when its key has since been claimed, or delayed until another time.
            if self._delayed.get(key) == retry_at:
                del self._delayed[key]
                self._claimed.add(key)
                found.append(key)
        return found

    def delay(self, key: str, retry_at: datetime) -> None:
        """End the claim: the key is delayed until `retry_at`."""
        self._claimed.discard(key)
        self._delayed[key] = retry_at
        heapq.heappush(self._queue, (retry_at, key))

    def release(self, key: str) -> None:
        """End the claim: the key is idle."""
        self._claimed.discard(key)

    def restore(self, delayed: Mapping[str, datetime]) -> None:
        """Delay keys that are idle here, because another replica left them with a refused event."""
        for key, retry_at in delayed.items():
            if key not in self._claimed and key not in self._delayed:
                self.delay(key, retry_at)

    def hasten(self, now: datetime) -> None:
        """Make delayed keys due now, because the endpoint accepts events again."""
        self._delayed = dict.fromkeys(self._delayed, now)
        self._queue = [(now, key) for key in self._delayed]
        heapq.heapify(self._queue)
