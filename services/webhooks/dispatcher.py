"""Hands the events of one endpoint to its sender: those of one order key one after the other, different ones side by side."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from services.webhooks import metrics
from services.webhooks.backoff import after_refusal
from services.webhooks.deletions import Deletions
from services.webhooks.event_store import EventStore, Waiting
from services.webhooks.held import HeldKeys
from services.webhooks.sender import Refused, Sender
from shared.outbound.circuit import Circuit

log = structlog.get_logger(__name__)

WINDOW: Final = 500
"""Events that are looked at together."""
CHAIN: Final = 50
"""Events of one order key that are posted before another key may have its place."""
IDLE_SECONDS: Final = 0.2
"""How often an empty outbox is looked at."""
FRESH_SECONDS: Final = 1.0
"""An event that was read longer ago is read again before it is posted: its content may be deleted by now."""
LONGEST_CIRCUIT_SECONDS: Final = 8.0
"""An endpoint that is back is noticed within this time."""
MOST_HELD: Final = 10_000
"""Order keys behind refused events; with so many, only those are tried."""


class Dispatcher:
    """What one replica does while it holds the lease of an endpoint. A new one begins with what PostgreSQL knows."""

    def __init__(self, store: EventStore, sender: Sender, *, concurrency: int, retry_seconds: float) -> None:
        self._store = store
        self._sender = sender
        self._concurrency = concurrency
        self._retry = timedelta(seconds=retry_seconds)
        self._deletions = Deletions(store)
        self._circuit = Circuit(time.monotonic, LONGEST_CIRCUIT_SECONDS)
        self._held = HeldKeys({})
        self._busy: set[str] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled. Raises an ExceptionGroup of what asyncpg raises: then begin anew."""
        async with asyncio.TaskGroup() as tasks:
            self._held = HeldKeys(await self._store.held_keys())
            tasks.create_task(self._deletions.run())
            while True:
                if not (self._circuit.would_admit and await self._begin(tasks)):
                    await self._pause()

    async def _begin(self, tasks: asyncio.TaskGroup) -> bool:
        """Begin to post what can be. False when nothing was to do, or there was no place for it."""
        # While the circuit is open, one probe is enough.
        places = (1 if self._circuit.is_open else self._concurrency) - len(self._busy)
        if places <= 0:
            return False
        begun = self._held.due(datetime.now(UTC), places, self._busy)
        for key in begun:
            self._start(tasks, key, None)
        if len(begun) < places and len(self._held) < MOST_HELD:
            chains = await self._waiting()
            for key, chain in list(chains.items())[: places - len(begun)]:
                self._start(tasks, key, chain[:CHAIN])
                begun.append(key)
        return bool(begun)

    async def _waiting(self) -> dict[str, list[Waiting]]:
        """Order key → events that can be posted now. Those of held keys are put behind the refused one, not to be read again."""
        chains: dict[str, list[Waiting]] = {}
        for event in await self._store.waiting(self._busy, WINDOW):
            chains.setdefault(event.order_key, []).append(event)
        for key in list(chains):
            until = self._held.until(key)
            if until is not None:
                await self._store.hold([event.id for event in chains.pop(key)], until)
        return chains

    def _start(self, tasks: asyncio.TaskGroup, key: str, chain: list[Waiting] | None) -> None:
        self._busy.add(key)
        tasks.create_task(self._work(key, chain, time.monotonic()))
        metrics.HELD.labels(self._sender.name).set(len(self._held))

    async def _work(self, key: str, chain: list[Waiting] | None, read_at: float) -> None:
        """Post a chain of events; without one, what the held key has waiting."""
        events = await self._store.held(key, CHAIN) if chain is None else chain
        taken: list[int] = []
        left = await self._post(key, events, read_at, taken)
        await self._deletions.delete(taken)
        if chain is None and not left:
            # A full chain may have more behind it.
            self._held.release(key)
            if len(events) == CHAIN:
                self._held.hold(key, datetime.now(UTC))
        self._busy.discard(key)
        self._ended.set()

    async def _post(self, key: str, events: list[Waiting], read_at: float, taken: list[int]) -> bool:
        """Post `events` in order, and note in `taken` which are done. True when some are left: the key is held then."""
        for place, event in enumerate(events):
            if not self._circuit.admit():
                await self._hold(key, events[place:], datetime.now(UTC))
                return True
            found = (event.type, event.at, event.data)
            if time.monotonic() - read_at > FRESH_SECONDS:
                now_found = await self._store.find(event.id)
                if now_found is None:
                    continue
                found = now_found
            try:
                await self._sender.post(event.event_id, *found)
            except Refused as refusal:
                self._failed()
                if not await self._refuse(event, refusal):
                    continue
                await self._hold(key, events[place + 1 :], self._held.until(key))
                return True
            self._succeeded(event)
            taken.append(event.id)
        return False

    async def _refuse(self, event: Waiting, refusal: Refused) -> bool:
        """Note a refusal. False when the event has been refused for too long, and is a dead letter now."""
        name, now = self._sender.name, datetime.now(UTC)
        metrics.REFUSED.labels(name, refusal.reason).inc()
        if event.first_refused_at is not None and now - event.first_refused_at >= self._retry:
            await self._store.bury(event.id, str(refusal))
            metrics.DEAD_LETTERS.labels(name).inc()
            log.error("event.dead", endpoint=name, event_id=event.event_id, type=event.type, reason=str(refusal))
            return False
        until = after_refusal(event.attempts + 1, now)
        await self._store.refuse(event.id, until, str(refusal))
        self._held.hold(event.order_key, until)
        log.warning("event.refused", endpoint=name, event_id=event.event_id, reason=str(refusal), again_at=str(until))
        return True

    async def _hold(self, key: str, events: list[Waiting], until: datetime | None) -> None:
        """Let `events` wait behind what was refused, or until the circuit closes."""
        if until is not None and events:
            await self._store.hold([event.id for event in events], until)
        if until is not None:
            self._held.hold(key, until)

    def _succeeded(self, event: Waiting) -> None:
        name = self._sender.name
        metrics.DELIVERED.labels(name).inc()
        metrics.LAG_SECONDS.labels(name).observe(max(0.0, time.time() - event.at.timestamp()))
        if self._circuit.is_open:
            log.info("endpoint.back", endpoint=name)
            self._held.hasten(datetime.now(UTC))
            metrics.CIRCUIT_OPEN.labels(name).set(0)
        self._circuit.succeeded()

    def _failed(self) -> None:
        self._circuit.failed()
        metrics.CIRCUIT_OPEN.labels(self._sender.name).set(self._circuit.is_open)

    async def _pause(self) -> None:
        """Until something ended, or for a moment."""
        self._ended.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return
