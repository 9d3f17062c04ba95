"""One endpoint: its lease, and the work of the lease's holder."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog

from services.webhooks import metrics
from services.webhooks.chain_poster import ChainPoster
from services.webhooks.deletions import Deletions
from services.webhooks.event_scheduler import EventScheduler
from services.webhooks.event_store import EventStore
from services.webhooks.lease import RENEW_SECONDS, Lease
from services.webhooks.sender import Sender
from services.webhooks.settings import WebhooksSettings
from shared.lifecycle import end_all
from shared.outbound.circuit import Circuit
from shared.postgres import TRANSIENT_ERRORS, Pool
from shared.webhooks.signatures import Signer

log = structlog.get_logger(__name__)

TRIM_SECONDS: Final = 30.0
"""Pause between two checks of how many events wait."""
LONGEST_CIRCUIT_SECONDS: Final = 8.0
"""Longest pause between probes, so an endpoint that is back is noticed within this time."""


class Endpoint:
    """Posts the events of one endpoint while this replica holds its lease."""

    def __init__(self, pool: Pool, url: str, settings: WebhooksSettings) -> None:
        self._settings = settings
        self._store = EventStore(pool, url)
        self._deletions = Deletions(self._store)
        self._lease = Lease(pool, url, settings.instance)
        self._sender = Sender(
            url,
            Signer(settings.signing_secrets),
            private_hosts=settings.webhook_private_hosts,
            timeout_seconds=settings.webhook_timeout_seconds,
            connections=settings.webhook_concurrency,
        )
        self._scheduler: EventScheduler | None = None
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work while this replica holds the lease, and wait for it otherwise. Returns only when cancelled."""
        async with self._sender, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deletions.run())
            tasks.create_task(self._trim())
            while True:
                # Events that were accepted under an earlier lease are deleted before anything is read under a new one.
                await self._deletions.settled()
                try:
                    if not self._draining and await self._lease.take():
                        await self._lead()
                except TRANSIENT_ERRORS as error:
                    log.warning("lease.not_taken", endpoint=self._sender.name, error=repr(error))
                await asyncio.sleep(RENEW_SECONDS)

    async def drain(self) -> None:
        """Begin no more posts, and wait for those under way, so that the next holder of the lease doesn't repeat them."""
        self._draining = True
        if self._scheduler is not None:
            self._scheduler.drain()
        try:
            async with asyncio.timeout(min(self._settings.webhook_timeout_seconds, self._settings.shutdown_seconds)):
                await self._idle.wait()
        except TimeoutError:
            log.warning("drain.incomplete", endpoint=self._sender.name)

    async def release(self) -> None:
        """Release the lease, so that another replica goes on at once."""
        try:
            await self._lease.release()
        except TRANSIENT_ERRORS as error:
            log.info("lease.not_released", endpoint=self._sender.name, error=repr(error))

    async def _lead(self) -> None:
        """Post until the lease is lost."""
        metrics.LEADING.labels(self._sender.name).set(1)
        log.info("lease.taken", endpoint=self._sender.name)
        self._scheduler = self._new_scheduler()
        self._idle.clear()
        work = asyncio.create_task(self._scheduler.run(), name="dispatch")
        try:
            await self._keep(work)
        finally:
            await end_all([work])
            self._scheduler = None
            self._idle.set()
            metrics.LEADING.labels(self._sender.name).set(0)

    async def _keep(self, work: asyncio.Task[None]) -> None:
        """Renew the lease until it is lost or `work` has ended. Raises the error of `work`, if it has one."""
        while True:
            await asyncio.wait([work], timeout=RENEW_SECONDS)
            if work.done():
                work.result()
                return
            if not await self._lease.renew():
                log.warning("lease.lost", endpoint=self._sender.name)
                return

    def _new_scheduler(self) -> EventScheduler:
        """Return a scheduler that begins with the state in PostgreSQL."""
        circuit = Circuit(time.monotonic, LONGEST_CIRCUIT_SECONDS)
        retry = timedelta(seconds=self._settings.webhook_retry_seconds)
        poster = ChainPoster(self._store, self._sender, self._deletions, circuit, retry)
        concurrency = self._settings.webhook_concurrency
        return EventScheduler(self._store, poster, circuit, name=self._sender.name, concurrency=concurrency)

    async def _trim(self) -> None:
        """While this replica holds the lease, drop the oldest events above the limit. Never returns."""
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            if self._scheduler is None:
                continue
            dropped = await self._store.trim(self._settings.webhook_max_waiting, dead=False)
            await self._store.trim(self._settings.webhook_max_dead_letters, dead=True)
            if dropped:
                metrics.DROPPED.labels(self._sender.name).inc(dropped)
                log.error("events.dropped", endpoint=self._sender.name, events=dropped)
