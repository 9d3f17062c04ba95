"""A lane to one push service: bounded, so that a slow service takes up its own places and nobody else's."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.notifier import metrics
from services.notifier.circuit import Circuit
from services.notifier.outcome import CIRCUIT_OPEN, LANE_FULL, Outcome, Reason

WAITING_PER_PLACE: Final = 4
"""Notifications that wait in memory for each place: with answers after 1 s, those are what a retry wait of 5 s takes."""
_UNANSWERED: Final = {Reason.TIMEOUT, Reason.UNREACHABLE}


class Lane:
    """`places` requests at once; four times as many notifications wait for one; more go back to the broker."""

    def __init__(self, service: str, places: int) -> None:
        self.service = service
        self.circuit = Circuit(time.monotonic)
        self._places = asyncio.Semaphore(places)
        self._capacity = places * (1 + WAITING_PER_PLACE)
        self._entered = 0
        self._in_flight = metrics.IN_FLIGHT.labels(service)
        self._circuit_open = metrics.CIRCUIT_OPEN.labels(service)

    def refusal(self) -> Outcome | None:
        """Why no more notifications may enter, or None when one may."""
        if not self.circuit.would_admit:
            return CIRCUIT_OPEN
        return LANE_FULL if self._entered >= self._capacity else None

    def enter(self) -> None:
        """Count one more, before its task runs; the task must `leave`."""
        self._entered += 1

    def leave(self) -> None:
        """Its notification is settled."""
        self._entered -= 1

    def learn(self, outcome: Outcome) -> None:
        """Tell the circuit what came of a request that it admitted."""
        if outcome.reason in _UNANSWERED:
            self.circuit.failed()
        else:
            self.circuit.succeeded()
        self._circuit_open.set(self.circuit.is_open)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for one of the places."""
        async with self._places:
            with self._in_flight.track_inprogress():
                yield
