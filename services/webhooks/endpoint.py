"""One endpoint: its lease, and what its holder does."""

import asyncio
from typing import Final

import structlog

from services.webhooks import metrics
from services.webhooks.dispatcher import Dispatcher
from services.webhooks.event_store import EventStore
from services.webhooks.lease import RENEW_SECONDS, Lease
from services.webhooks.sender import Sender
from services.webhooks.settings import WebhooksSettings
from shared.postgres import TRANSIENT_ERRORS, Pool
from shared.webhooks.signatures import Signer

log = structlog.get_logger(__name__)

TRIM_EVERY: Final = 10
"""Renewals between two looks at how much waits."""


class Endpoint:
    """Posts the events of one endpoint, while no other replica does."""

    def __init__(self, pool: Pool, url: str, settings: WebhooksSettings) -> None:
        self._settings = settings
        self._store = EventStore(pool, url)
        self._lease = Lease(pool, url, settings.instance)
        self._sender = Sender(
            url,
            Signer(settings.signing_secrets),
            private_hosts=settings.webhook_private_hosts,
            timeout_seconds=settings.webhook_timeout_seconds,
            connections=settings.webhook_concurrency,
        )

    async def run(self) -> None:
        """Work while this replica holds the lease, and wait for it otherwise. Returns only when cancelled."""
        async with self._sender:
            while True:
                try:
                    if await self._lease.hold():
                        await self._lead()
                except TRANSIENT_ERRORS as error:
                    log.warning("lease.unknown", endpoint=self._sender.name, error=repr(error))
                await asyncio.sleep(RENEW_SECONDS)

    async def release(self) -> None:
        """Let another replica go on at once."""
        try:
            await self._lease.release()
        except TRANSIENT_ERRORS as error:
            log.info("lease.kept", endpoint=self._sender.name, error=repr(error))

    async def _lead(self) -> None:
        """Post until the lease is lost."""
        metrics.LEADING.labels(self._sender.name).set(1)
        log.info("endpoint.led", endpoint=self._sender.name)
        work = asyncio.create_task(self._dispatch(), name="dispatch")
        try:
            await self._keep(work)
        finally:
            metrics.LEADING.labels(self._sender.name).set(0)
            work.cancel()
            await asyncio.wait([work])

    async def _keep(self, work: asyncio.Task[None]) -> None:
        """Renew the lease until it is lost, or `work` has failed: then raises its error."""
        renewals = 0
        while True:
            await asyncio.wait([work], timeout=RENEW_SECONDS)
            if work.done():
                work.result()
                return
            if not await self._lease.hold():
                log.warning("endpoint.lost", endpoint=self._sender.name)
                return
            renewals += 1
            if renewals % TRIM_EVERY == 0:
                await self._trim()

    async def _dispatch(self) -> None:
        """Dispatch, beginning anew when PostgreSQL was away."""
        settings = self._settings
        while True:
            dispatcher = Dispatcher(
                self._store,
                self._sender,
                concurrency=settings.webhook_concurrency,
                retry_seconds=settings.webhook_retry_seconds,
            )
            try:
                await dispatcher.run()
            except* TRANSIENT_ERRORS as errors:
                log.warning("dispatch.held", endpoint=self._sender.name, error=repr(errors.exceptions[0]))
            await asyncio.sleep(1)

    async def _trim(self) -> None:
        dropped = await self._store.trim(self._settings.webhook_max_waiting, dead=False)
        await self._store.trim(self._settings.webhook_max_dead_letters, dead=True)
        if dropped:
            metrics.DROPPED.labels(self._sender.name).inc(dropped)
            log.error("events.dropped", endpoint=self._sender.name, events=dropped)
