"""Passes the events of one endpoint to workers: those of one order key in sequence, different keys concurrently."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import structlog

from services.webhooks import metrics
from services.webhooks.chain_poster import FRESH_SECONDS, ChainPoster
from services.webhooks.event_store import EventStore, WaitingEvent
from services.webhooks.order_keys import OrderKeys
from shared.outbound.circuit import Circuit

log = structlog.get_logger(__name__)

WINDOW: Final = 1000
"""Events that are read together."""
CHAIN: Final = 50
"""Events of one order key that are posted before another key gets its worker."""
READ_SECONDS: Final = 0.02
"""Pause between two reads, so that under load one read finds many events."""
IDLE_SECONDS: Final = 0.1
"""How often an empty outbox is read."""
MAX_DELAYED: Final = 10_000
"""At most so many order keys are delayed. Above it, only delayed keys are tried."""
RESTORE_SECONDS: Final = 60.0
"""How often PostgreSQL is asked for unknown delayed keys: another replica's last statement may be late."""


class EventScheduler:
    """Schedules posts while this replica holds the lease. A new scheduler begins with the state in PostgreSQL."""

    def __init__(
        self, store: EventStore, poster: ChainPoster, circuit: Circuit, *, name: str, concurrency: int
    ) -> None:
        self._store = store
        self._poster = poster
        self._circuit = circuit
        self._name = name
        self._concurrency = concurrency
        self._keys = OrderKeys({})
        self._ready: dict[str, list[WaitingEvent]] = {}
        self._read_at = 0.0
        self._restored_at = -RESTORE_SECONDS
        self._was_open = False
        self._draining = False
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Work until `drain`, or until cancelled. Raises an ExceptionGroup of permanent errors."""
        async with asyncio.TaskGroup() as tasks:
            while not self._draining:
                if not await self._begin(tasks):
                    await self._pause()

    def drain(self) -> None:
        """Begin no more posts; `run` returns when those under way are done."""
        self._draining = True
        self._ended.set()

    async def _begin(self, tasks: asyncio.TaskGroup) -> bool:
        """Begin the posts that are possible now. False when there was nothing to post, or no free worker."""
        await self._restore()
        probing = self._circuit.is_open
        free = (1 if probing else self._concurrency) - self._keys.claimed_count
        if free <= 0 or not self._circuit.would_admit:
            return False
        begun = 0 if probing else self._begin_retries(tasks, free)
        if begun < free and self._keys.delayed_count < MAX_DELAYED:
            await self._read()
            begun += self._begin_ready(tasks, free - begun)
        # A probe is an event that was never refused, if there is one: it says more about the endpoint than a refused one.
        if probing and not begun:
            begun = self._begin_retries(tasks, free)
        return begun > 0

    def _begin_retries(self, tasks: asyncio.TaskGroup, most: int) -> int:
        """Start posting the events of delayed keys whose retry is due."""
        due = self._keys.claim_due(datetime.now(UTC), most)
        for key in due:
            tasks.create_task(self._post_delayed(key))
        return len(due)

    def _begin_ready(self, tasks: asyncio.TaskGroup, most: int) -> int:
        """Start posting the events that were read of idle keys."""
        begun = 0
        while self._ready and begun < most:
            key = next(iter(self._ready))
            events = self._ready.pop(key)
            if self._keys.claim(key):
                tasks.create_task(self._post_ready(key, events[:CHAIN], self._read_at))
                begun += 1
        return begun

    async def _read(self) -> None:
        """Read waiting events of idle keys, when the ones read before are begun or old.

        Events of delayed keys are delayed like the refused one, so that the next read finds others.
        """
        age = time.monotonic() - self._read_at
        if age < READ_SECONDS or (self._ready and age < FRESH_SECONDS):
            return
        self._ready, self._read_at = {}, time.monotonic()
        behind: dict[int, datetime] = {}
        for event in await self._store.waiting(self._keys.claimed, WINDOW):
            retry_at = self._keys.retry_at(event.order_key)
            if retry_at is None:
                self._ready.setdefault(event.order_key, []).append(event)
            else:
                behind[event.id] = retry_at
        await self._store.delay(behind)

    async def _post_ready(self, key: str, events: list[WaitingEvent], read_at: float) -> None:
        self._end(key, await self._poster.post(events, read_at))

    async def _post_delayed(self, key: str) -> None:
        """Post the events of a delayed key that wait in PostgreSQL."""
        read_at = time.monotonic()
        events = await self._store.delayed(key, CHAIN)
        retry_at = await self._poster.post(events, read_at)
        if retry_at is None and len(events) == CHAIN:
            # After a full chain there may be more.
            retry_at = datetime.now(UTC)
        self._end(key, retry_at)

    def _end(self, key: str, retry_at: datetime | None) -> None:
        """End a worker: its key becomes idle or delayed. Its changes of the key's events are committed."""
        if retry_at is None:
            self._keys.release(key)
        else:
            self._keys.delay(key, retry_at)
        is_open = self._circuit.is_open
        if self._was_open and not is_open:
            log.info("endpoint.back", endpoint=self._name)
            self._keys.hasten(datetime.now(UTC))
        self._was_open = is_open
        metrics.CIRCUIT_OPEN.labels(self._name).set(is_open)
        metrics.DELAYED.labels(self._name).set(self._keys.delayed_count)
        self._ended.set()

    async def _restore(self) -> None:
        """Delay keys that are idle here but have delayed events in PostgreSQL."""
        if time.monotonic() - self._restored_at < RESTORE_SECONDS:
            return
        self._restored_at = time.monotonic()
        self._keys.restore(await self._store.delayed_keys())

    async def _pause(self) -> None:
        """Wait until a worker has ended, or for a moment."""
        self._ended.clear()
        try:
            async with asyncio.timeout(READ_SECONDS if self._keys.claimed_count else IDLE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return
