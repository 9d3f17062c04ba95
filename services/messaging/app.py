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
from shared.directory import Directory
from shared.features import announce_forever
from shared.lifecycle import Supervisor
from shared.postgres import Pool
from shared.protocol.features import served_by
from shared.protocol.requests import messaging_request_decoder
from shared.redis import Partitions
from shared.redis.previews import Previews
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, create_app
from shared.rest.rate_limit import RateLimit
from shared.service import Watches, database, http_server, read_settings, readiness, redis_partitions, serve
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
        self.expiry = Expiry(
            pool, settings.retention_days, settings.retention_round_seconds, self.outbox, settings.inbox_events
        )
        self.views = ConversationViews(pool, settings.signer())
        self.counts = UnreadCounts(pool, partitions)
        self.indicators = TypingIndicators(pool, partitions, clock)


class Work:
    """What a replica does with commands, signals and requests: it stores the results, and tells clients and other services."""

    def __init__(self, settings: Settings, links: Links, pool: Pool, partitions: Partitions, clock: StoreClock) -> None:
        self._settings = settings
        self._moderator = _moderator(settings, partitions)
        stores = Stores(settings, pool, partitions, clock)
        self.outgoing = OutgoingEvents(links.publisher, Previews(partitions), settings.push_delay_seconds)
        self._rebuilds = UnreadRebuilds(stores.counts)
        self._repair = UnreadRepair(stores.counts, settings.unread_sample_seconds)
        self.fanout = _fanout(settings, partitions, self._rebuilds)
        announcer = ConversationAnnouncer(stores.views, self.fanout, stores.counts, partitions)
        handlers = _handlers(stores, announcer)
        failpoints = Failpoints(settings.failpoint if settings.failpoints else None)
        # A cycle object has no state of its own, so the consumers of both queues don't wait for each other.
        cycle = Cycle(handlers, self.fanout, stores.indicators, self.outgoing, self._repair, failpoints)
        dead_letters, most = DeadLetters(links.publisher), settings.max_cycle_commands
        self._commands, self._changes = (
            CommandConsumer(link, cycle, dead_letters, failpoints, most, self._moderator)
            for link in (links.commands, links.changes)
        )
        self._signals = SignalConsumer(links.signals, stores.indicators, self.fanout)
        data = UserData(pool, stores.outbox)
        requests = PlatformRequests(
            PlatformConversations(stores.conversations, stores.messages),
            Sends(stores.conversations, stores.messages, stores.system_messages, handlers, self.fanout, cycle),
            PlatformReports(stores.reports),
            Imports(pool, partitions),
            Erasure(partitions, data, stores.blocks, handlers, self.fanout, cycle),
            Export(data, stores.messages),
        )
        # It runs beside the command consumers, as another replica would.
        self._requests = Responder(links.requests, partitions, messaging_request_decoder, requests.handle, clock=clock)
        self._retention = Retention(stores.expiry, partitions, self.fanout, announcer)
        self.profiles = ProfileChanges(stores.directory, stores.people, self.outgoing)

    def start(self, supervisor: Supervisor) -> None:
        """Start all of it."""
        supervisor.start("outgoing", self.outgoing.run())
        supervisor.start("commands", self._commands.run())
        supervisor.start("requests", self._requests.run())
        supervisor.start("changes", self._changes.run())
        supervisor.start("signals", self._signals.run())
        supervisor.start("unread repair", self._repair.run())
        supervisor.start("unread rebuilds", self._rebuilds.run())
        if self._settings.retention_days:
            supervisor.start("retention", self._retention.run())
        supervisor.start("profiles", self.profiles.run())

    async def drain(self) -> None:
        """Finish the cycles under way, and begin no others."""
        await asyncio.gather(self._commands.drain(), self._changes.drain())

    async def aclose(self) -> None:
        """Close the connections to the moderation hook."""
        if self._moderator is not None:
            await self._moderator.aclose()


class Messaging:
    """One replica of messaging, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: Settings, pool: Pool, partitions: Partitions, rest_pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._rest_pool = rest_pool
        self._partitions = partitions
        self._stopping = False
        self._watches = Watches(settings, pool, partitions)
        self._links = Links(settings)
        self._work = Work(settings, self._links, pool, partitions, self._watches.clock)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        self._watches.start(supervisor)
        self._links.start(supervisor)
        self._work.start(supervisor)
        supervisor.start("direct script", direct_script(self._partitions).run())
        supervisor.start("features", self._announce_features())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        settings = self._settings
        app = create_app(
            "messaging",
            readiness(
                self._pool,
                self._watches.database,
                lambda: self._stopping,
                {"redis": self._partitions.ping, "amqp": self._links.check},
                self._watches.verifier,
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
            self._watches.verifier,
            self._watches.revocations,
            directory,
            RateLimit.of_service(settings, self._partitions, "messaging"),
        )
        listeners = Listeners(self._work.fanout, self._work.outgoing, self._work.profiles.tell)
        add_paths(app, settings, self._rest_pool, self._partitions, listeners)
        return http_server(app, self._settings)

    async def drain(self) -> None:
        """Report not ready, and finish the cycles under way."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds / 2):
                await self._work.drain()
        except TimeoutError:
            log.warning("drain.incomplete")

    async def aclose(self) -> None:
        """Close what the work has open."""
        await self._work.aclose()

    def _announce_features(self) -> Coroutine[Any, Any, None]:
        """Announce the features of this replica: uploads only where it can sign their URLs."""
        served = served_by("messaging")
        if self._settings.signer() is None:
            served.discard("upload")
        return announce_forever(self._partitions, "messaging", self._settings.instance, served)


def _fanout(settings: Settings, partitions: Partitions, rebuilds: UnreadRebuilds) -> Fanout:
    return Fanout(
        partitions,
        rebuilds.of_cycle,
        settings.max_deferral_seconds,
        settings.inbox_events,
        settings.inbox_bytes,
        settings.inbox_seconds,
    )


def _handlers(stores: Stores, announcer: ConversationAnnouncer) -> Handlers:
    handlers = Handlers(
        stores.messages, stores.receipts, stores.blocks, stores.indicators, stores.directory, stores.changes
    )
    handlers.announcer = announcer
    return handlers


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
