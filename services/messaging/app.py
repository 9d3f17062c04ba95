"""The composition root of messaging: builds its parts, and starts and stops them in order."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

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
from services.messaging.links import Links
from services.messaging.profile_changes import ProfileChanges
from services.messaging.rest.paths import Listeners, add_paths
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
from services.messaging.signal_consumer import SignalConsumer
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.changes import Changes
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.expiry import Expiry
from services.messaging.stores.messages import Messages
from services.messaging.stores.people import People
from services.messaging.stores.receipts import Receipts
from services.messaging.stores.reports import Reports
from services.messaging.stores.sql import LIST_HINTS
from services.messaging.stores.system_messages import SystemMessages
from services.messaging.stores.unread import UnreadCounts
from services.messaging.stores.unread_rebuilds import UnreadRebuilds
from services.messaging.stores.unread_repair import UnreadRepair
from services.messaging.typing_indicators.direct_script import direct_script
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
from shared.rabbitmq import Consumer
from shared.redis import Partitions
from shared.redis.previews import Previews
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, create_app
from shared.rest.rate_limit import RateLimit
from shared.service import database, http_server, read_settings, readiness, redis_partitions, serve
from shared.store_clock import StoreClock
from shared.webhooks import Outbox

if TYPE_CHECKING:
    from services.messaging.moderation import Moderator

log = structlog.get_logger(__name__)


class Stores:
    """What commands read and write in PostgreSQL and Redis."""

    def __init__(self, settings: Settings, pool: Pool, partitions: Partitions, clock: StoreClock) -> None:
        self.outbox = Outbox(settings.webhook_urls)
        self.directory = Directory(pool)
        self.conversations = Conversations(pool, self.outbox)
        self.messages = Messages(pool, settings.signer(), self.outbox)
        self.system_messages = SystemMessages(pool, self.outbox)
        self.changes = Changes(pool, settings.edit_window_seconds, self.outbox)
        self.receipts = Receipts(pool, clock, self.outbox)
        self.blocks = Blocks(pool, partitions, self.outbox)
        self.reports = Reports(pool, self.outbox)
        self.people = People(pool, self.directory)
        self.expiry = Expiry(pool, settings.retention_days, settings.retention_round_seconds, self.outbox)
        self.views = ConversationViews(pool, settings.signer())
        self.counts = UnreadCounts(pool, partitions)
        self.indicators = TypingIndicators(pool, partitions, clock)


class Messaging:
    """One replica of messaging, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: Settings, pool: Pool, partitions: Partitions, rest_pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._rest_pool = rest_pool
        self._partitions = partitions
        self._stopping = False
        self._database = postgres.DatabaseWatch(settings.database_url, settings.instance, pool)
        self._revocations = Revocations(pool, partitions)
        self._clock = StoreClock(partitions)
        self._verifier = TokenVerifier(settings, self._clock.now)
        self._moderator = _moderator(settings, partitions)
        self._failpoints = Failpoints(settings.failpoint if settings.failpoints else None)
        self._links = Links(settings)
        self._outgoing = OutgoingEvents(self._links.publisher, Previews(partitions), settings.push_delay_seconds)
        self._stores = Stores(settings, pool, partitions, self._clock)
        self._rebuilds = UnreadRebuilds(self._stores.counts)
        self._repair = UnreadRepair(self._stores.counts, settings.unread_sample_seconds)
        self._fanout = self._new_fanout()
        self._announcer = ConversationAnnouncer(self._stores.views, self._fanout, self._stores.counts, partitions)
        self._handlers = self._new_handlers()
        # A cycle object has no state of its own, so the consumers of both queues don't wait for each other.
        self._cycle = Cycle(
            self._handlers, self._fanout, self._stores.indicators, self._outgoing, self._repair, self._failpoints
        )
        self._commands = self._command_consumer(self._links.commands)
        self._changes = self._command_consumer(self._links.changes)
        self._signals = SignalConsumer(self._links.signals, self._stores.indicators, self._fanout)
        self._requests = self._responder()
        self._retention = Retention(self._stores.expiry, partitions, self._fanout, self._announcer)
        self._profiles = ProfileChanges(self._stores.directory, self._stores.people, self._outgoing)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("clock", self._clock.run())
        supervisor.start("database watch", self._database.run())
        supervisor.start("revocations", self._revocations.run())
        supervisor.start("keys", self._verifier.refresh_forever())
        self._links.start(supervisor)
        supervisor.start("outgoing", self._outgoing.run())
        supervisor.start("commands", self._commands.run())
        supervisor.start("requests", self._requests.run())
        supervisor.start("changes", self._changes.run())
        supervisor.start("signals", self._signals.run())
        supervisor.start("direct script", direct_script(self._partitions).run())
        supervisor.start("unread repair", self._repair.run())
        supervisor.start("unread rebuilds", self._rebuilds.run())
        supervisor.start("features", self._announce_features())
        if self._settings.retention_days:
            supervisor.start("retention", self._retention.run())
        supervisor.start("profiles", self._profiles.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        settings = self._settings
        app = create_app(
            "messaging",
            readiness(
                self._pool,
                self._database,
                lambda: self._stopping,
                {"redis": self._partitions.ping, "amqp": self._links.check},
                self._verifier,
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
        listeners = Listeners(self._fanout, self._outgoing, self._profiles.tell)
        add_paths(app, settings, self._rest_pool, self._partitions, listeners)
        return http_server(app, self._settings)

    async def drain(self) -> None:
        """Report not ready, and finish the cycle under way."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds / 2):
                await asyncio.gather(self._commands.drain(), self._changes.drain())
        except TimeoutError:
            log.warning("drain.incomplete")

    def _new_fanout(self) -> Fanout:
        settings = self._settings
        return Fanout(
            self._partitions,
            self._rebuilds.of_cycle,
            settings.max_deferral_seconds,
            settings.inbox_events,
            settings.inbox_bytes,
            settings.inbox_seconds,
        )

    def _new_handlers(self) -> Handlers:
        stores = self._stores
        handlers = Handlers(
            stores.messages, stores.receipts, stores.blocks, stores.indicators, stores.directory, stores.changes
        )
        handlers.announcer = self._announcer
        return handlers

    def _command_consumer(self, link: Consumer) -> CommandConsumer:
        dead_letters = DeadLetters(self._links.publisher)
        most = self._settings.max_cycle_commands
        return CommandConsumer(link, self._cycle, dead_letters, self._failpoints, most, self._moderator)

    def _responder(self) -> Responder[MessagingRequest]:
        """Return the consumer of the server API's requests. It runs beside the command consumers, as another replica would."""
        stores, handlers, fanout, cycle = self._stores, self._handlers, self._fanout, self._cycle
        data = UserData(self._pool, stores.outbox)
        requests = PlatformRequests(
            PlatformConversations(stores.conversations, stores.messages),
            Sends(stores.conversations, stores.messages, stores.system_messages, handlers, fanout, cycle),
            PlatformReports(stores.reports),
            Imports(self._pool, self._partitions),
            Erasure(self._partitions, data, stores.blocks, handlers, fanout, cycle),
            Export(data, stores.messages),
        )
        link = self._links.requests
        return Responder(link, self._partitions, messaging_request_decoder, requests.handle, clock=self._clock)

    def _announce_features(self) -> Coroutine[Any, Any, None]:
        """Announce the features of this replica: uploads only where it can sign their URLs."""
        served = served_by("messaging")
        if self._settings.signer() is None:
            served.discard("upload")
        return announce_forever(self._partitions, "messaging", self._settings.instance, served)

    async def aclose(self) -> None:
        """Close the connections to the moderation hook."""
        if self._moderator is not None:
            await self._moderator.aclose()


def _moderator(settings: Settings, partitions: Partitions) -> "Moderator | None":
    if settings.moderation_url is None:
        return None
    # Imported here: it needs aiohttp, which is an eighth of what the others together take to import.
    from services.messaging.moderation import moderator_of

    return moderator_of(str(settings.moderation_url), settings, partitions)


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(Settings, "messaging")
    async with (
        database(settings, hints=postgres.INDEX_HINTS) as pool,
        database(settings, use="rest", size=settings.rest_database_pool_size, hints=LIST_HINTS) as rest_pool,
        redis_partitions(settings) as partitions,
    ):
        return await serve(Messaging(settings, pool, partitions, rest_pool))
