"""The queue of one push service. It is bounded, so that a slow service doesn't take the places of others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from services.notifier import metrics
from services.notifier.delivery.outcome import CIRCUIT_OPEN, QUEUE_FULL, UNANSWERED, UNASKED, Outcome
from shared.outbound.circuit import Circuit
from shared.pace import Throughput

NEW_HOSTS: Final = " (new hosts)"
"""Suffix of the queue for hosts below a wildcard that have not answered yet, because users can invent such hosts."""
WAITING_PER_PLACE: Final = 19
"""Jobs that wait in memory for each place, about 14 KB each.

A replica sends that many in a few seconds, so that jobs that waited 5 s at the broker find room again.
"""


class ServiceQueue:
    """At most `places` concurrent requests. 19 times as many jobs wait for a place; more go back to the broker."""

    def __init__(self, service: str, places: int) -> None:
        self.service = service
        self.circuit = Circuit(time.monotonic)
        self._places = asyncio.Semaphore(places)
        self._capacity = places * (1 + WAITING_PER_PLACE)
        self._entered = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_flight = metrics.IN_FLIGHT.labels(service)
        self._circuit_open = metrics.CIRCUIT_OPEN.labels(service)

    def refusal(self) -> Outcome | None:
        """Return why no job may enter now, or None when one may."""
        if not self.circuit.would_admit:
            return CIRCUIT_OPEN
        return QUEUE_FULL if self._entered >= self._capacity else None

    def enter(self) -> None:
        """Count one more job, before its task runs; the task must `leave`."""
        self._entered += 1

    def leave(self) -> None:
        """Count one job less: it is done."""
        self._entered -= 1

    def learn(self, outcome: Outcome) -> None:
        """Tell the circuit breaker the outcome of a request that it admitted."""
        if outcome.reason in UNANSWERED:
            self.circuit.failed()
        elif outcome.reason not in UNASKED:
            self.circuit.succeeded()
        self._circuit_open.set(self.circuit.is_open)

    @asynccontextmanager
    async def place(self, target_id: str) -> AsyncIterator[None]:
        """Wait for the turn of this device, and then for one of the places.

        On the device the newer notification replaces the older one (by tag and topic). Sent concurrently, the older one could
        arrive last.
        """
        turn = self._turns.get(target_id)
        if turn is None:
            turn = self._turns[target_id] = asyncio.Lock()
        async with turn, self._places:
            with self._in_flight.track_inprogress():
                yield


class ServiceQueues:
    """The queues by name, created at their first use. `places`: concurrent requests to one push service.

    Names come from the operator's settings, so there are only a few. `throughput`: how many jobs all of them together take in a
    second (`per_second`; 0: as many as come).
    """

    def __init__(self, places: int, per_second: int = 0) -> None:
        self._places = places
        self.throughput: Final = Throughput(per_second, burst_seconds=0.0)
        self._queues: dict[str, ServiceQueue] = {}

    def get(self, name: str) -> ServiceQueue:
        """Return the queue of this name. One for hosts that never answered has a tenth of the places."""
        queue = self._queues.get(name)
        if queue is None:
            places = max(1, self._places // 10) if name.endswith(NEW_HOSTS) else self._places
            queue = self._queues[name] = ServiceQueue(name, places)
        return queue
