"""The gateway's process: builds its parts, and starts and stops them in order."""

import logging
import time
import uuid
from collections.abc import Sequence

import structlog
import uvicorn

from services.gateway import open_files
from services.gateway.dispatcher import Dispatcher
from services.gateway.downlink.delivery import Deliverer
from services.gateway.downlink.link import DownlinkSubscriber
from services.gateway.downlink.recovery import Recovery
from services.gateway.downlink.takeover import Takeover
from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.drain import Drain
from services.gateway.handshake.admission import Admission
from services.gateway.handshake.endpoint import PATH, WebSocketEndpoint, add_websocket
from services.gateway.handshake.request import TokenCheck
from services.gateway.registry.connections import ConnectionRegistry
from services.gateway.registry.users import UserRegistration
from services.gateway.session.heartbeat import Heartbeat
from services.gateway.session.hub import Hub
from services.gateway.session.token_refresh import TokenRefresh
from services.gateway.settings import GatewaySettings
from services.gateway.transport.http_protocol import HttpProtocol, listen
from services.gateway.transport.websocket_protocol import GatewayProtocol
from services.gateway.uplink.batch_linger import BatchLinger
from services.gateway.uplink.command_rate_limit import CommandRateLimit
from services.gateway.uplink.direct_presence import DirectPresence
from services.gateway.uplink.direct_typing import DirectTyping
from services.gateway.uplink.error_replies import ErrorReplies
from services.gateway.uplink.friend_reader import FriendReader
from services.gateway.uplink.lease_renewals import LeaseRenewals
from services.gateway.uplink.lost_answers import LostAnswers
from services.gateway.uplink.presence import PresencePublisher
from services.gateway.uplink.publisher import CONCURRENT_PUBLISHES, CommandPublisher
from services.gateway.uplink.receipt_merger import ReceiptMerger
from services.gateway.uplink.typing_tracker import TypingTracker
from services.gateway.user_budgets import Budget, UserBudgets
from shared import postgres
from shared.directory import Directory
from shared.features import OfferedFeatures
from shared.lifecycle import Supervisor, serve_until
from shared.postgres import Pool
from shared.protocol.topology import QUEUES, Queue, command_queues
from shared.rabbitmq import BrokerUnavailable, Publisher
from shared.redis import REDIS_ERRORS, open_partitions
from shared.redis.previews import Previews
from shared.rest import KEEP_ALIVE_SECONDS, Health, create_app, demand
from shared.service import Watches, read_settings
from shared.telemetry import watch_loop_lag

log = structlog.get_logger(__name__)

SERVICE = "gateway"


class Process:
    """All parts of one gateway."""

    def __init__(self, settings: GatewaySettings, pool: Pool, max_connections: int | None = None) -> None:
        self.settings = settings
        # A new name for each start: routes of an earlier process must not lead here.
        self.gateway_id = f"{settings.instance}-{uuid.uuid4().hex[:8]}"
        self.partitions = open_partitions(settings.redis_urls, settings.redis_partitions)
        self.watches = Watches(settings, pool, self.partitions)
        queues = command_queues(settings.command_queues)
        self.publisher = Publisher(settings.amqp_url, settings.instance, (*QUEUES, *queues[1:]))
        direct_presence = DirectPresence(self.partitions, FriendReader(pool), self.watches.clock.now_ms)
        self.user_registration = UserRegistration(Directory(pool), lambda: direct_presence.most_friends)
        self.hub = Hub()
        self.budgets = UserBudgets(self.partitions, settings.budgets)
        self.dispatcher = self._new_dispatcher(direct_presence, queues)
        self.takeover = Takeover(
            self.partitions,
            self.gateway_id,
            self.dispatcher.undelivered,
            self.dispatcher.presence,
            settings.push_delay_seconds,
        )
        self.admission = Admission(
            self.hub, self.budgets, max_connections or settings.max_connections, settings.handshakes_per_second
        )
        self.lost_answers = LostAnswers(self.partitions, self.gateway_id, self.dispatcher.uplink)
        self.downlinks = self._new_downlinks()
        self.health = self._new_health()

    def _new_dispatcher(self, direct_presence: DirectPresence, queues: Sequence[Queue]) -> Dispatcher:
        settings, clock, verifier = self.settings, self.watches.clock, self.watches.verifier
        error_replies = ErrorReplies(self.hub)
        rate_limit = CommandRateLimit(self.budgets, error_replies, self.hub)
        linger = BatchLinger(settings.uplink_pause_seconds)
        uplink = CommandPublisher(
            self.gateway_id, self.publisher, queues, rate_limit, error_replies=error_replies, linger=linger
        )
        presence = PresencePublisher(
            self.hub, self.publisher, rate_limit, direct=direct_presence, gateway_id=self.gateway_id, clock=clock
        )
        registry = self._new_registry()
        leases = LeaseRenewals(self.hub, self.publisher, self.gateway_id, clock)
        heartbeat = Heartbeat(settings.ping_seconds, settings.pong_seconds, clock.now)
        return Dispatcher(
            hub=self.hub,
            uplink=uplink,
            receipts=ReceiptMerger(self.hub, uplink.submit, settings.events_per_second),
            registry=registry,
            undelivered=UndeliveredTracker(
                registry, self.publisher, Previews(self.partitions), settings.push_delay_seconds
            ),
            heartbeat=heartbeat,
            presence=presence,
            leases=leases,
            typing_tracker=TypingTracker(self.publisher, self.gateway_id, clock.now_ms, DirectTyping(self.partitions)),
            recovery=Recovery(self.hub, registry, self.partitions, presence, leases),
            clock=clock,
            features=OfferedFeatures(self.partitions),
            token_refresh=TokenRefresh(verifier, self.watches.revocations, self.user_registration, heartbeat),
        )

    def _new_registry(self) -> ConnectionRegistry:
        settings, budgets = self.settings, self.budgets
        return ConnectionRegistry(
            self.partitions,
            self.gateway_id,
            settings.connections_per_user,
            settings.inbox_seconds,
            budgets.interval_and_burst(Budget.HANDSHAKES) if budgets.is_limited(Budget.HANDSHAKES) else None,
        )

    def _new_downlinks(self) -> list[DownlinkSubscriber]:
        """Return one subscriber for each partition of Redis."""
        own = self.dispatcher
        deliverer = Deliverer(self.hub, own.uplink, own.undelivered)
        return [
            DownlinkSubscriber(
                self.partitions,
                partition,
                self.gateway_id,
                deliverer=deliverer,
                lost_answers=self.lost_answers,
                recovery=own.recovery,
            )
            for partition in range(len(self.partitions))
        ]

    def _new_health(self) -> Health:
        return Health(
            {"redis": self.partitions.ping, "amqp": self.check_broker},
            {
                "draining": demand(lambda: not self.admission.draining, "draining"),
                "keys": demand(lambda: self.watches.verifier.ready, "no key to verify tokens with"),
                "downlinks": self.check_downlinks,
                "schema": self.watches.database.check,
            },
            self.watches.database.notes,
        )

    def start(self, supervisor: Supervisor) -> None:
        """Start every background task."""
        supervisor.start("loop lag", watch_loop_lag())
        self.watches.start(supervisor)
        supervisor.start("publisher", self.publisher.run())
        for downlink in self.downlinks:
            supervisor.start("downlink", downlink.run())
        supervisor.start("lost answers", self.lost_answers.run())
        dispatcher = self.dispatcher
        supervisor.start("features", dispatcher.features.run())
        for _ in range(CONCURRENT_PUBLISHES):
            supervisor.start("uplink", dispatcher.uplink.publish_forever())
        for partition in range(len(self.partitions)):
            supervisor.start("attach", dispatcher.registry.attach_forever(partition))
        supervisor.start("budgets", self.budgets.settle_forever())
        supervisor.start("user registration", self.user_registration.run())
        supervisor.start("detach", dispatcher.registry.run())
        supervisor.start("recovery", dispatcher.recovery.run())
        supervisor.start("route renewal", dispatcher.recovery.renew_forever())
        supervisor.start("typing", dispatcher.typing_tracker.run())
        supervisor.start("presence", dispatcher.presence.run())
        supervisor.start("first connections", dispatcher.presence.first_connections.run())
        supervisor.start("statuses", dispatcher.presence.admit_statuses_forever())
        supervisor.start("presence repeats", dispatcher.presence.repeat_forever())
        supervisor.start("leases", dispatcher.leases.renew_all_forever(self.settings.renewal_seconds))
        supervisor.start("lease renewal on pong", dispatcher.leases.renew_alive_forever())
        supervisor.start("undelivered", dispatcher.undelivered.run())
        supervisor.start("takeover", self.takeover.run())
        supervisor.start("token refresh", dispatcher.token_refresh.run())
        supervisor.start("sweep", dispatcher.sweep_forever())

    def idle(self) -> bool:
        """True when nothing is left to be sent or answered."""
        own = self.dispatcher
        return all(part.idle for part in (own.uplink, own.presence, own.registry, own.undelivered))

    async def check_broker(self) -> None:
        """Raise BrokerUnavailable when commands can't be sent."""
        if not self.publisher.ready:
            raise BrokerUnavailable("no connection to publish on")

    async def check_downlinks(self) -> None:
        """Raise RuntimeError when Redis answers, but deliveries don't reach this gateway."""
        if all(downlink.up for downlink in self.downlinks):
            return
        try:
            await self.partitions.ping()
        except REDIS_ERRORS:
            return
        raise RuntimeError("a subscription is missing")


def server_config(process: Process) -> uvicorn.Config:
    """Return uvicorn's configuration for the gateway's HTTP and WebSocket endpoints."""
    settings = process.settings
    app = create_app(
        SERVICE,
        process.health,
        settings.allowed_origins,
        verdict_paths=[PATH],
    )
    token_check = TokenCheck(process.watches.verifier, settings.allowed_origins)
    endpoint = WebSocketEndpoint(
        settings,
        process.dispatcher,
        process.admission,
        token_check,
        revocations=process.watches.revocations,
        user_registration=process.user_registration,
    )
    return uvicorn.Config(
        add_websocket(app, endpoint),
        http=HttpProtocol,
        ws=GatewayProtocol,
        ws_max_size=settings.max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


async def open_database(settings: GatewaySettings) -> Pool:
    """Return a pool for a gateway's statements. Its caller closes it."""
    return await postgres.open_pool(
        settings.database_url,
        size=settings.database_pool_size,
        application_name=settings.instance,
        hints=postgres.INDEX_HINTS,
    )


async def main() -> int:
    """Run a gateway until SIGTERM; returns the exit status."""
    settings = read_settings(GatewaySettings, SERVICE)
    # websockets logs three lines for each handshake, and one of them shows the query with the token.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    max_connections = open_files.connections_that_fit(
        settings.max_connections, fixed="max_connections" in settings.model_fields_set
    )
    listening = listen(settings.http_host, settings.http_port)
    pool = await open_database(settings)
    process = Process(settings, pool, max_connections)
    supervisor = Supervisor()
    process.start(supervisor)
    drain = Drain(process.hub, process.admission, process.dispatcher.undelivered, settings.drain_seconds, process.idle)
    started = time.monotonic()
    log.info("gateway.started", gateway_id=process.gateway_id, port=listening.getsockname()[1])
    status = await serve_until(server_config(process), supervisor, drain.run, [listening])
    await supervisor.stop()
    await process.health.stop()
    await process.partitions.aclose()
    pool.terminate()
    log.info("gateway.stopped", status=status, seconds=round(time.monotonic() - started, 3))
    return status
