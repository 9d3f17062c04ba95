"""Posts the events of one order key one after another, and stores the outcome of each."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from services.webhooks import metrics
from services.webhooks.backoff import after_refusal
from services.webhooks.deletions import Deletions
from services.webhooks.event_store import EventStore, WaitingEvent
from services.webhooks.sender import Refused, Sender
from shared.outbound.circuit import Circuit
from shared.tracing import name_ids, span

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 1.0
"""An event that was read longer ago is read again before it is posted, because its content may have been deleted."""


class ChainPoster:
    """Posts chains of events to one endpoint. `retry`: how long an event is retried before it becomes a dead letter."""

    def __init__(
        self, store: EventStore, sender: Sender, deletions: Deletions, circuit: Circuit, retry: timedelta
    ) -> None:
        self._store = store
        self._sender = sender
        self._deletions = deletions
        self._circuit = circuit
        self._retry = retry

    async def post(self, events: list[WaitingEvent], read_at: float) -> datetime | None:
        """Post `events`, which were read at `read_at` (monotonic seconds), in order.

        Accepted ones are deleted before it returns. Returns None when none is left; else `retry_at`, until which the rest
        waits in PostgreSQL.
        """
        taken: list[int] = []
        try:
            retry_at = await self._post(events, read_at, taken)
        finally:
            # Also on cancellation: the next holder of the lease must not post accepted events again.
            deleted = self._deletions.add(taken)
        await deleted
        return retry_at

    async def _post(self, events: list[WaitingEvent], read_at: float, taken: list[int]) -> datetime | None:
        for index, event in enumerate(events):
            if not self._circuit.admit():
                return await self._delay(events[index:], datetime.now(UTC))
            found: tuple[str, datetime, str] | None = (event.type, event.at, event.data)
            if time.monotonic() - read_at > FRESH_SECONDS:
                found = await self._store.find(event.id)
            if found is None:
                continue
            try:
                with span("webhooks.post", "client") as traced:
                    name_ids(
                        traced, event_ids=(event.event_id,), event_types=(found[0],), endpoints=(self._sender.name,)
                    )
                    await self._sender.post(event.event_id, *found)
            except Refused as refusal:
                retry_at = await self._refused(event, refusal)
                if retry_at is not None:
                    return await self._delay(events[index + 1 :], retry_at)
            else:
                self._succeeded(event)
                taken.append(event.id)
        return None

    async def _delay(self, events: list[WaitingEvent], retry_at: datetime) -> datetime:
        await self._store.delay({event.id: retry_at for event in events})
        return retry_at

    def _succeeded(self, event: WaitingEvent) -> None:
        name = self._sender.name
        metrics.DELIVERED.labels(name).inc()
        metrics.LAG_SECONDS.labels(name).observe(max(0.0, time.time() - event.at.timestamp()))
        self._circuit.succeeded()

    async def _refused(self, event: WaitingEvent, refusal: Refused) -> datetime | None:
        """Store a refusal.

        Returns when it is retried; None when it was refused for too long and is a dead letter now.
        """
        name, now = self._sender.name, datetime.now(UTC)
        # Repeated refusals of one event say nothing about the endpoint, unless it is the probe of an open circuit.
        if not event.attempts or self._circuit.is_open:
            self._circuit.failed()
        metrics.REFUSED.labels(name, refusal.reason).inc()
        if event.first_refused_at is not None and now - event.first_refused_at >= self._retry:
            await self._store.dead_letter(event.id, str(refusal))
            metrics.DEAD_LETTERS.labels(name).inc()
            log.error(
                "event.dead_lettered", endpoint=name, event_id=event.event_id, type=event.type, reason=str(refusal)
            )
            return None
        retry_at = after_refusal(event.attempts + 1, now)
        await self._store.schedule_retry(event.id, retry_at, str(refusal))
        log.warning(
            "event.refused", endpoint=name, event_id=event.event_id, reason=str(refusal), again_at=str(retry_at)
        )
        return retry_at
