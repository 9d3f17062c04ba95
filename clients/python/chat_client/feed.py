"""A bounded log of events for the application. Any number of readers follow it, each at its own pace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from chat_client.errors import ClientClosed, EventsLost

Predicate = Callable[[Any], object]


class Feed:
    """The latest `limit` events."""

    def __init__(self, limit: int) -> None:
        self._log: deque[Any] = deque(maxlen=limit)
        self._first = 0
        self._claimed: set[int] = set()
        self._changed = asyncio.Event()
        self._end: ClientClosed | None = None

    def put(self, event: Any) -> None:
        """Append an event, and wake the readers. The oldest is dropped when the log is full."""
        if len(self._log) == self._log.maxlen:
            self._claimed.discard(self._first)
            self._first += 1
        self._log.append(event)
        self._wake()

    def end(self, reason: ClientClosed) -> None:
        """End the log: readers that have read everything get `reason`."""
        self._end = reason
        self._wake()

    async def follow(self) -> AsyncIterator[Any]:
        """Yield every event, beginning with the oldest one in the log. Ends when the application closes the client.

        Raises EventsLost when the reader is slower than the log allows, ClientClosed when the server ended it.
        """
        position = self._first
        while True:
            while position < self._first + len(self._log):
                if position < self._first:
                    raise EventsLost(f"{self._first - position} events were dropped before they were read")
                yield self._log[position - self._first]
                position += 1
            if self._end is not None:
                if self._end.by_application:
                    return
                raise self._end
            await self._changed.wait()

    async def wait_for(self, event_type: str, predicate: Predicate | None) -> Any:
        """Return the first matching event, among earlier and future ones; each is returned once.

        Raises ClientClosed when no more events can come.
        """
        position = self._first
        while True:
            position = max(position, self._first)
            while position < self._first + len(self._log):
                event = self._log[position - self._first]
                fits = event["type"] == event_type and (predicate is None or predicate(event))
                if fits and position not in self._claimed:
                    self._claimed.add(position)
                    return event
                position += 1
            if self._end is not None:
                raise self._end
            await self._changed.wait()

    def _wake(self) -> None:
        # Current waiters have the old `asyncio.Event`; later ones wait for the new one.
        self._changed.set()
        self._changed = asyncio.Event()
