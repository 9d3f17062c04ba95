"""Order keys that wait behind a refused event, and when each is tried again."""

import heapq
from collections.abc import Collection, Mapping
from datetime import datetime


class HeldKeys:
    """A priority queue that can be asked by key."""

    def __init__(self, until: Mapping[str, datetime]) -> None:
        self._until = dict(until)
        self._queue = [(at, key) for key, at in self._until.items()]
        heapq.heapify(self._queue)

    def __len__(self) -> int:
        return len(self._until)

    def until(self, key: str) -> datetime | None:
        """When the key is tried again; None when it isn't held."""
        return self._until.get(key)

    def hold(self, key: str, until: datetime) -> None:
        """Try the key again at `until`."""
        self._until[key] = until
        heapq.heappush(self._queue, (until, key))

    def release(self, key: str) -> None:
        """Nothing of the key waits behind a refusal any more."""
        self._until.pop(key, None)

    def due(self, now: datetime, most: int, busy: Collection[str]) -> list[str]:
        """Up to `most` keys whose time has come, the longest waiting first. They stay held until `release`.

        A key in `busy` is being worked on, and stays in the queue: two at once would post its events out of order.
        """
        found: list[str] = []
        passed: list[tuple[datetime, str]] = []
        while self._queue and self._queue[0][0] <= now and len(found) < most:
            at, key = heapq.heappop(self._queue)
            if self._until.get(key) != at:
                continue
            if key in busy:
                passed.append((at, key))
            else:
                found.append(key)
        for entry in passed:
            heapq.heappush(self._queue, entry)
        return found

    def hasten(self, now: datetime) -> None:
        """Try all of them now: the endpoint takes events again."""
        self._until = dict.fromkeys(self._until, now)
        self._queue = [(now, key) for key in self._until]
        heapq.heapify(self._queue)
