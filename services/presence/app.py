"""The composition root of presence: builds its parts, and starts and stops them in order."""

import asyncio
from collections.abc import Container, Mapping
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI

from services.presence.announcer import Announcer
from services.presence.consumer import BatchConsumer, Lane, split_commands, split_renewals
from services.presence.direct_script import direct_script
from services.presence.follow_store import FollowStore
from services.presence.friend_cache import FriendCache
from services.presence.friend_snapshot import FriendSnapshots
from services.presence.friendship_service import FriendshipService
from services.presence.handlers import Handlers
from services.presence.leases import Clock, Leases
from services.presence.links import Links
from services.presence.partition_health import PartitionHealth
from services.presence.renewal_feed import RenewalFeed
from services.presence.requests import Requests
from services.presence.rest import Endpoints
from services.presence.rules import Timing
from services.presence.settings import PresenceSettings
from services.presence.statuses import Statuses
from services.presence.sweep import Sweep
from services.presence.webhook_queue import WebhookQueue
from shared import postgres
from shared.directory import Directory
from shared.lifecycle import Supervisor
from shared.protocol import relay
from shared.protocol.requests import PresenceRequest, presence_request_decoder
from shared.redis import Partitions
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, add_router, create_app
from shared.rest.rate_limit import RateLimit
from shared.service import Watches, database, http_server, read_settings, readiness, redis_partitions, serve
from shared.webhooks.events import EventPublisher

log = structlog.get_logger(__name__)


def timing_of(settings: PresenceSettings) -> Timing:
    """Return the settings' durations in milliseconds, for the rules."""
    return Timing(
        lease_ms=round(settings.lease_seconds * 1000),
        grace_ms=round(settings.offline_grace_seconds * 1000),
        retry_ms=round(settings.announce_retry_seconds * 1000),
    )


class Stores:
    """What presence keeps in PostgreSQL and Redis."""

    def __init__(self, settings: PresenceSettings, pool: postgres.Pool, partitions: Partitions, clock: Clock) -> None:
        self.follows = FollowStore(pool, settings.max_friends)
        self.friends = FriendCache(partitions, self.follows, settings.friends_cache_seconds)
        self.statuses = Statuses(partitions)
        self.leases = Leases(partitions, timing_of(settings), clock)


class Announcements:
    """What sends users the statuses of others: changes, what begins and ends with a friendship, and whole snapshots."""

    def __init__(self, stores: Stores, partitions: Partitions, webhooks: WebhookQueue | None) -> None:
        self._health = PartitionHealth(partitions)
        self.announcer = Announcer(partitions, stores.friends, self._health, webhooks)
        self.friendships = FriendshipService(
            stores.follows, stores.friends, self.announcer, stores.statuses, stores.leases.clock
        )
        self.snapshots = FriendSnapshots(partitions, stores.friends, self.announcer, self.friendships)

    async def run(self) -> None:
        """Send what could not be sent when its partition is back. Never returns."""
        await self._health.watch(self._resend)

    async def _resend(self) -> None:
        await self.announcer.resend()
        await self.snapshots.resend()


class Presence:
    """One replica of presence, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: PresenceSettings, pool: postgres.Pool, partitions: Partitions) -> None:
        self._settings = settings
        self._pool = pool
        self._partitions = partitions
        self._stopping = False
        self._watches = Watches(settings, pool, partitions)
        self._links = Links(settings)
        self._feed = RenewalFeed(self._links.publisher, settings.instance, timing_of(settings))
        self._webhooks: WebhookQueue | None = None
        if settings.webhook_urls:
            self._webhooks = WebhookQueue(EventPublisher(self._links.publisher, enabled=True))
        self._stores = stores = Stores(settings, pool, partitions, self._watches.clock.now_ms)
        self._announcements = Announcements(stores, partitions, self._webhooks)
        self._direct_script = direct_script(
            partitions, stores.leases, stores.friends, tells_webhooks=self._webhooks is not None
        )
        handlers = self._new_handlers()
        self._commands = self._new_commands(handlers)
        self._renewals = self._new_renewals(handlers)
        self._requests = self._new_requests()
        announcer = self._announcements.announcer
        self._sweeps = [
            Sweep(stores.leases, announcer, partition, settings.sweep_seconds, lambda: self._feed.works)
            for partition in range(len(partitions))
        ]

    def _new_handlers(self) -> Handlers:
        sending = self._announcements
        return Handlers(self._stores.leases, sending.announcer, sending.snapshots, sending.friendships)

    def _new_commands(self, handlers: Handlers) -> BatchConsumer[relay.PresenceBatch]:
        split = partial(split_commands, self._partitions, self._stores.friends.long_lists)
        decoder = relay.presence_batch_decoder
        return BatchConsumer("commands", self._links.commands, decoder, split, handlers.handle, self._links.dead_letter)

    def _new_renewals(self, handlers: Handlers) -> BatchConsumer[relay.LeaseRenewal]:
        split, decoder = self._split_renewals, relay.lease_renewal_decoder
        return BatchConsumer("renewals", self._links.renewals, decoder, split, handlers.renew, self._links.dead_letter)

    def _new_requests(self) -> Responder[PresenceRequest]:
        stores, clock = self._stores, self._watches.clock
        requests = Requests(
            self._partitions, stores.follows, stores.friends, self._announcements.announcer, stores.statuses
        )
        return Responder(self._links.requests, self._partitions, presence_request_decoder, requests.handle, clock=clock)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        self._watches.start(supervisor)
        self._links.start(supervisor)
        supervisor.start("renewal feed", self._feed.run())
        supervisor.start("direct script", self._direct_script.run())
        if self._webhooks is not None:
            supervisor.start("webhooks", self._webhooks.run())
        supervisor.start("commands", self._commands.run())
        supervisor.start("requests", self._requests.run())
        supervisor.start("renewals", self._renewals.run())
        supervisor.start("partition health", self._announcements.run())
        for sweep in self._sweeps:
            supervisor.start("sweep", sweep.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        return http_server(self.app(), self._settings)

    def app(self) -> FastAPI:
        """Return the REST interface."""
        health = readiness(
            self._pool,
            self._watches.database,
            lambda: self._stopping,
            {"redis": self._partitions.ping, "amqp": self._links.check},
            self._watches.verifier,
        )
        app = create_app(
            "presence", health, self._settings.allowed_origins, Bounds(self._settings.rest_requests_per_second)
        )
        directory = Directory(self._pool)
        app.state.authenticator = Authenticator(
            self._watches.verifier,
            self._watches.revocations,
            directory,
            RateLimit.of_service(self._settings, self._partitions, "presence"),
        )
        stores = self._stores
        endpoints = Endpoints(
            directory, stores.follows, stores.friends, self._announcements.friendships, stores.statuses
        )
        add_router(app, endpoints.router())
        return app

    async def drain(self) -> None:
        """Report not ready, and finish the cycles in progress."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds / 2):
                await asyncio.gather(self._commands.drain(), self._renewals.drain())
        except TimeoutError:
            log.warning("drain.incomplete")

    async def aclose(self) -> None:
        """Do nothing: pool and partitions are closed where they were opened."""

    def _split_renewals(
        self, renewal: relay.LeaseRenewal, _lanes: Container[Lane]
    ) -> Mapping[Lane, relay.LeaseRenewal]:
        self._feed.heard()
        return split_renewals(self._partitions, renewal)


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(PresenceSettings, "presence")
    async with database(settings, hints=postgres.INDEX_HINTS) as pool, redis_partitions(settings) as partitions:
        return await serve(Presence(settings, pool, partitions))
