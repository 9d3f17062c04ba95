"""The composition root of presence: builds its parts, and starts and stops them in order."""

import asyncio
from collections.abc import Container, Iterable, Mapping
from functools import partial
from typing import Final

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
from services.presence.leases import Leases
from services.presence.partition_health import PartitionHealth
from services.presence.renewal_feed import RenewalFeed
from services.presence.requests import Requests
from services.presence.rest import Endpoints
from services.presence.rules import Timing
from services.presence.settings import PresenceSettings
from services.presence.statuses import Statuses
from services.presence.sweep import Sweep
from services.presence.webhook_queue import WebhookQueue
from shared import postgres, rabbitmq
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor
from shared.protocol import relay, topology
from shared.protocol.requests import presence_request_decoder
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher
from shared.redis import Partitions
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, create_app
from shared.rest.rate_limit import RateLimit
from shared.service import database, http_server, read_settings, readiness, redis_partitions, serve
from shared.store_clock import StoreClock
from shared.webhooks.events import EventPublisher

log = structlog.get_logger(__name__)

PREFETCH: Final = 1_000
"""Unacknowledged AMQP messages. Those for a Redis partition that is away wait here, and must leave room for others."""


PUBLISHED_TO: Final = (
    topology.PRESENCE_DEAD,
    topology.PRESENCE_RENEWALS,
    topology.WEBHOOK_EVENTS_DEAD,
    topology.WEBHOOK_EVENTS,
)


def timing_of(settings: PresenceSettings) -> Timing:
    """Return the settings' durations in milliseconds, for the rules."""
    return Timing(
        lease_ms=round(settings.lease_seconds * 1000),
        grace_ms=round(settings.offline_grace_seconds * 1000),
        retry_ms=round(settings.announce_retry_seconds * 1000),
    )


class Presence:
    """One replica of presence, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: PresenceSettings, pool: postgres.Pool, partitions: Partitions) -> None:
        self._settings = settings
        self._pool = pool
        self._partitions = partitions
        self._database = postgres.DatabaseWatch(settings.database_url, settings.instance, pool)
        self._revocations = Revocations(pool, partitions)
        self._stopping = False
        timing = timing_of(settings)
        self._clock = StoreClock(partitions)
        self._verifier = TokenVerifier(settings, self._clock.now)
        self._follows = FollowStore(pool, settings.max_friends)
        self._friends = FriendCache(partitions, self._follows, settings.friends_cache_seconds)
        self._statuses = Statuses(partitions)
        self._health = PartitionHealth(partitions)
        self._publisher = Publisher(settings.amqp_url, settings.instance, PUBLISHED_TO)
        self._feed = RenewalFeed(self._publisher, settings.instance, timing)
        self._webhooks: WebhookQueue | None = None
        if settings.webhook_urls:
            self._webhooks = WebhookQueue(EventPublisher(self._publisher, enabled=True))
        self._announcer = Announcer(partitions, self._friends, self._health, self._webhooks)
        leases = Leases(partitions, timing, self._clock.now_ms)
        self._direct_script = direct_script(
            partitions, leases, self._friends, leases.clock, tells_webhooks=self._webhooks is not None
        )
        self._friendships = FriendshipService(
            self._follows, self._friends, self._announcer, self._statuses, leases.clock
        )
        self._snapshots = FriendSnapshots(partitions, self._friends, self._announcer, self._friendships)
        handlers = Handlers(leases, self._announcer, self._snapshots, self._friendships)
        self._commands_link = self._consumer(topology.PRESENCE_COMMANDS, topology.PRESENCE_DEAD)
        self._renewals_link = self._consumer(topology.PRESENCE_RENEWALS, former=[topology.FORMER_RENEWALS])
        self._commands = self._new_commands(handlers)
        self._renewals = self._new_renewals(handlers)
        self._requests_link = self._consumer(topology.PRESENCE_REQUESTS)
        requests = Requests(partitions, self._follows, self._friends, self._announcer, self._statuses)
        self._requests = Responder(
            self._requests_link, partitions, presence_request_decoder, requests.handle, clock=self._clock
        )
        self._sweeps = [
            Sweep(leases, self._announcer, partition, settings.sweep_seconds, lambda: self._feed.works)
            for partition in range(len(partitions))
        ]

    def _new_commands(self, handlers: Handlers) -> BatchConsumer[relay.PresenceBatch]:
        split = partial(split_commands, self._partitions, self._friends.long_lists)
        decoder = relay.presence_batch_decoder
        return BatchConsumer("commands", self._commands_link, decoder, split, handlers.handle, self._dead_letter)

    def _new_renewals(self, handlers: Handlers) -> BatchConsumer[relay.LeaseRenewal]:
        split, decoder = self._split_renewals, relay.lease_renewal_decoder
        return BatchConsumer("renewals", self._renewals_link, decoder, split, handlers.renew, self._dead_letter)

    async def _dead_letter(self, message: rabbitmq.Delivery, reason: str) -> None:
        await rabbitmq.dead_letter(self._publisher, topology.PRESENCE_DEAD, message, reason)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("clock", self._clock.run())
        supervisor.start("database watch", self._database.run())
        supervisor.start("revocations", self._revocations.run())
        supervisor.start("keys", self._verifier.refresh_forever())
        supervisor.start("commands link", self._commands_link.run())
        supervisor.start("renewals link", self._renewals_link.run())
        supervisor.start("requests link", self._requests_link.run())
        supervisor.start("publisher", self._publisher.run())
        supervisor.start("renewal feed", self._feed.run())
        supervisor.start("direct script", self._direct_script.run())
        if self._webhooks is not None:
            supervisor.start("webhooks", self._webhooks.run())
        supervisor.start("commands", self._commands.run())
        supervisor.start("requests", self._requests.run())
        supervisor.start("renewals", self._renewals.run())
        supervisor.start("partition health", self._health.watch(self._resend))
        for sweep in self._sweeps:
            supervisor.start("sweep", sweep.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        return http_server(self.app(), self._settings)

    def app(self) -> FastAPI:
        """Return the REST interface."""
        health = readiness(
            self._pool,
            self._database,
            lambda: self._stopping,
            {"redis": self._partitions.ping, "amqp": self._check_amqp},
            self._verifier,
        )
        app = create_app(
            "presence", health, self._settings.allowed_origins, Bounds(self._settings.rest_requests_per_second)
        )
        directory = Directory(self._pool)
        app.state.authenticator = Authenticator(
            self._verifier,
            self._revocations,
            directory,
            RateLimit.of_service(self._settings, self._partitions, "presence"),
        )
        endpoints = Endpoints(directory, self._follows, self._friends, self._friendships, self._statuses)
        app.include_router(endpoints.router())
        return app

    async def _resend(self) -> None:
        await self._announcer.resend()
        await self._snapshots.resend()

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

    async def _check_amqp(self) -> None:
        if not (self._commands_link.ready and self._renewals_link.ready):
            raise BrokerUnavailable("not consuming")

    def _split_renewals(
        self, renewal: relay.LeaseRenewal, _lanes: Container[Lane]
    ) -> Mapping[Lane, relay.LeaseRenewal]:
        self._feed.heard()
        return split_renewals(self._partitions, renewal)

    def _consumer(self, queue: topology.Queue, *also: topology.Queue, former: Iterable[str] = ()) -> Consumer:
        name = f"{self._settings.instance}.{queue.name}"
        return Consumer(self._settings.amqp_url, name, queue, prefetch=PREFETCH, also=also, former=former)


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(PresenceSettings, "presence")
    async with database(settings, hints=postgres.INDEX_HINTS) as pool, redis_partitions(settings) as partitions:
        return await serve(Presence(settings, pool, partitions))
