"""The composition root of messaging: its parts, its start and its stop, in order."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog
import uvicorn

from services.messaging.consumer import CommandConsumer
from services.messaging.conversation_views import ConversationViews
from services.messaging.cycle import Cycle
from services.messaging.dead_letters import DeadLetters
from services.messaging.failpoints import Failpoints
from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.handlers import Handlers
from services.messaging.moderation import moderator_of
from services.messaging.profile_changes import ProfileChanges
from services.messaging.rest.paths import add_paths
from services.messaging.retention import Retention
from services.messaging.server_api.conversations import PlatformConversations
from services.messaging.server_api.erasure import Erasure
from services.messaging.server_api.export import Export
from services.messaging.server_api.imports import Imports
from services.messaging.server_api.reports import PlatformReports
from services.messaging.server_api.requests import PlatformRequests
from services.messaging.server_api.sends import Sends
from services.messaging.server_api.user_data import UserData
from services.messaging.settings import Settings
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.changes import Changes
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.expiry import Expiry
from services.messaging.stores.messages import Messages
from services.messaging.stores.people import People
from services.messaging.stores.receipts import Receipts
from services.messaging.stores.reports import Reports
from services.messaging.stores.sql import HINTS, LIST_HINTS
from services.messaging.stores.system_messages import SystemMessages
from services.messaging.stores.unread import UnreadCounts
from services.messaging.stores.unread_rebuilds import UnreadRebuilds
from services.messaging.stores.unread_repair import UnreadRepair
from services.messaging.typing_indicators.consumer import SignalConsumer
from services.messaging.typing_indicators.indicators import TypingIndicators
from shared import postgres
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.features import announce_forever
from shared.lifecycle import Supervisor
from shared.postgres import Pool
from shared.protocol.features import served_by
from shared.protocol.requests import MessagingRequest, messaging_request_decoder
from shared.protocol.topology import (
    FORMER_SIGNALS,
    MESSAGING_CHANGES,
    MESSAGING_REQUESTS,
    MESSAGING_SIGNALS,
    QUEUES,
    command_queues,
)
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher
from shared.redis import Partitions
from shared.redis.previews import Previews
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, Health, create_app, demand
from shared.rest.rate_limit import RateLimit
from shared.service import database, http_server, read_settings, redis_partitions, serve
from shared.store_clock import StoreClock
from shared.webhooks import Outbox

log = structlog.get_logger(__name__)

SIGNAL_PREFETCH: Final = 64
REQUEST_PREFETCH: Final = 8


class Messaging:
    """One replica of messaging, put together. Nothing runs before `start`."""

    def __init__(self, settings: Settings, pool: Pool, partitions: Partitions, rest_pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._rest_pool = rest_pool
        self._partitions = partitions
        self._database = postgres.DatabaseWatch(settings.database_url, settings.instance)
        self._revocations = Revocations(pool, partitions)
        self._stopping = False
        self._clock = StoreClock(partitions)
        self._verifier = TokenVerifier(settings, self._clock.now)
        self._publisher = Publisher(settings.amqp_url, settings.instance, QUEUES)
        self._commands_link = Consumer(
            settings.amqp_url,
            settings.instance,
            command_queues(settings.command_queues),
            prefetch=settings.command_prefetch,
            also=QUEUES,
        )
        self._changes_link = Consumer(
            settings.amqp_url,
            f"{settings.instance}.changes",
            MESSAGING_CHANGES,
            prefetch=settings.command_prefetch,
        )
        self._signals_link = Consumer(
            settings.amqp_url,
            f"{settings.instance}.signals",
            MESSAGING_SIGNALS,
            prefetch=SIGNAL_PREFETCH,
            former=[FORMER_SIGNALS],
        )
        self._directory = Directory(pool)
        self._moderator = moderator_of(settings, partitions)
        outbox = Outbox(settings.webhook_urls)
        self._conversations = Conversations(pool, outbox)
        self._messages = Messages(pool, settings.signer(), outbox)
        self._blocks = Blocks(pool, partitions, outbox)
        self._system_messages = SystemMessages(pool, outbox)
        self._reports = Reports(pool, outbox)
        self._counts = UnreadCounts(pool, partitions)
        self._indicators = TypingIndicators(pool, partitions, self._clock)
        self._rebuilds = UnreadRebuilds(self._counts)
        self._fanout = Fanout(
            partitions,
            self._rebuilds.of_cycle,
            settings.max_deferral_seconds,
            settings.inbox_events,
            settings.inbox_bytes,
            settings.inbox_seconds,
        )
        self._repair = UnreadRepair(self._counts, settings.unread_sample_seconds)
        handlers = Handlers(
            self._messages,
            Receipts(pool, self._clock, outbox),
            self._blocks,
            self._indicators,
            self._directory,
            Changes(pool, settings.edit_window_seconds, outbox),
        )
        views = ConversationViews(pool, settings.signer())
        announcer = handlers.announcer = ConversationAnnouncer(views, self._fanout, self._counts, partitions)
        expiry = Expiry(pool, settings.retention_days, settings.retention_round_seconds, outbox)
        self._retention = Retention(expiry, partitions, self._fanout, announcer)
        self._failpoints = Failpoints(settings.failpoint if settings.failpoints else None)
        self._outgoing = OutgoingEvents(self._publisher, Previews(partitions), settings.push_delay_seconds)
        cycle = Cycle(handlers, self._fanout, self._indicators, self._outgoing, self._repair, self._failpoints)
        # A cycle keeps nothing, so that the consumers of both queues don't wait for each other.
        self._commands = self._command_consumer(self._commands_link, cycle)
        self._changes = self._command_consumer(self._changes_link, cycle)
        self._requests_link = Consumer(
            settings.amqp_url,
            f"{settings.instance}.requests",
            MESSAGING_REQUESTS,
            prefetch=REQUEST_PREFETCH,
            also=QUEUES,
        )
        self._requests = self._responder(handlers, cycle)
        self._signals = SignalConsumer(self._signals_link, self._indicators, self._fanout)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("clock", self._clock.run())
        supervisor.start("database watch", self._database.run())
        supervisor.start("revocations", self._revocations.run())
        supervisor.start("keys", self._verifier.refresh_forever())
        supervisor.start("publisher", self._publisher.run())
        supervisor.start("outgoing", self._outgoing.run())
        supervisor.start("commands link", self._commands_link.run())
        supervisor.start("changes link", self._changes_link.run())
        supervisor.start("signals link", self._signals_link.run())
        supervisor.start("requests link", self._requests_link.run())
        supervisor.start("commands", self._commands.run())
        supervisor.start("requests", self._requests.run())
        supervisor.start("changes", self._changes.run())
        supervisor.start("signals", self._signals.run())
        supervisor.start("unread repair", self._repair.run())
        supervisor.start("unread rebuilds", self._rebuilds.run())
        supervisor.start("features", self._announce_features())
        if self._settings.retention_days:
            supervisor.start("retention", self._retention.run())
        profiles = ProfileChanges(self._directory, People(self._pool, self._directory), self._outgoing)
        supervisor.start("profiles", profiles.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        settings = self._settings
        app = create_app(
            "messaging",
            Health(
                {
                    "postgres": lambda: postgres.ping(self._pool),
                    "redis": self._partitions.ping,
                    "amqp": self._check_amqp,
                },
                {
                    "stopping": demand(lambda: not self._stopping, "shutting down"),
                    "keys": demand(lambda: self._verifier.ready, "no key to verify tokens with"),
                    "schema": self._database.check,
                },
                self._database.notes,
            ),
            settings.allowed_origins,
            Bounds(
                user_rate=settings.rest_requests_per_second,
                most_at_once=settings.rest_concurrency,
                wait_seconds=settings.rest_wait_seconds,
            ),
        )
        directory = Directory(self._rest_pool)
        app.state.authenticator = Authenticator(
            self._verifier,
            self._revocations,
            directory,
            RateLimit.of_service(settings, self._partitions, "messaging"),
        )
        add_paths(app, settings, self._rest_pool, self._partitions, self._fanout, self._outgoing)
        return http_server(app, self._settings)

    async def drain(self) -> None:
        """Become unready, and finish the cycle under way."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds / 2):
                await asyncio.gather(self._commands.drain(), self._changes.drain())
        except TimeoutError:
            log.warning("drain.incomplete")

    def _responder(self, handlers: Handlers, cycle: Cycle) -> Responder[MessagingRequest]:
        """Who answers the server API's requests: beside the commands, as another replica would be."""
        data = UserData(self._pool, Outbox(self._settings.webhook_urls))
        requests = PlatformRequests(
            PlatformConversations(self._conversations, self._messages),
            Sends(self._conversations, self._messages, self._system_messages, handlers, self._fanout, cycle),
            PlatformReports(self._reports),
            Imports(self._pool, self._partitions),
            Erasure(self._partitions, data, self._blocks, handlers, self._fanout, cycle),
            Export(data, self._messages),
        )
        return Responder(
            self._requests_link, self._partitions, messaging_request_decoder, requests.handle, clock=self._clock
        )

    def _announce_features(self) -> Coroutine[Any, Any, None]:
        """Say what this replica serves: uploads only where it can sign their URLs."""
        served = served_by("messaging")
        if self._settings.signer() is None:
            served.discard("upload")
        return announce_forever(self._partitions, "messaging", self._settings.instance, served)

    def _command_consumer(self, link: Consumer, cycle: Cycle) -> CommandConsumer:
        dead_letters = DeadLetters(self._publisher)
        most = self._settings.max_cycle_commands
        return CommandConsumer(link, cycle, dead_letters, self._failpoints, most, self._moderator)

    async def aclose(self) -> None:
        """Close the connections to the moderation hook."""
        if self._moderator is not None:
            await self._moderator.aclose()

    async def _check_amqp(self) -> None:
        links = (self._publisher, self._commands_link, self._changes_link, self._signals_link)
        if not all(link.ready for link in links):
            raise BrokerUnavailable("not consuming")


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(Settings, "messaging")
    async with (
        database(settings, hints=HINTS) as pool,
        database(settings, use="rest", size=settings.rest_database_pool_size, hints=LIST_HINTS) as rest_pool,
        redis_partitions(settings) as partitions,
    ):
        return await serve(Messaging(settings, pool, partitions, rest_pool))
