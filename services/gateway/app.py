"""The gateway's process: its parts put together, its start and its stop in order."""

import logging
import time
import uuid

import structlog
import uvicorn

from services.gateway.admission import Admission
from services.gateway.delivery import Deliverer
from services.gateway.downlink import Downlink
from services.gateway.drain import Drain
from services.gateway.gateway import Gateway
from services.gateway.handshake import Doorkeeper
from services.gateway.heartbeat import Heartbeat
from services.gateway.hub import Hub
from services.gateway.introductions import Introductions
from services.gateway.listener import ListeningProtocol, listen
from services.gateway.pace import Pace
from services.gateway.presence import Announcer
from services.gateway.protocol import GatewayProtocol
from services.gateway.rates import MessageRates
from services.gateway.recovery import Recovery
from services.gateway.refresh import TokenRefresh
from services.gateway.refusals import Refusals
from services.gateway.routes import Routes
from services.gateway.settings import GatewaySettings
from services.gateway.silence import Silence
from services.gateway.takeover import Takeover
from services.gateway.typists import Typists
from services.gateway.uplink import LANES, Uplink
from services.gateway.websocket import Entrance, add_websocket
from shared import postgres
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor, serve_until
from shared.postgres import Pool
from shared.protocol import limits
from shared.protocol.topology import QUEUES, command_queues
from shared.rabbitmq import BrokerUnavailable, Publisher
from shared.redis import Shards
from shared.rest import create_app
from shared.settings import load
from shared.telemetry import configure_logging, watch_loop_lag
from shared.tracing import configure_tracing

log = structlog.get_logger(__name__)

SERVICE = "gateway"


class Process:
    """All parts of one gateway."""

    def __init__(self, settings: GatewaySettings, pool: Pool) -> None:
        self.settings = settings
        # A new name for each start: routes of an earlier process must not lead here.
        self.gateway_id = f"{settings.instance}-{uuid.uuid4().hex[:8]}"
        self.shards = Shards(settings.redis_urls)
        self._queues = command_queues(settings.command_queues)
        self.publisher = Publisher(settings.amqp_url, settings.instance, (*QUEUES, *self._queues[1:]))
        self.verifier = TokenVerifier(settings)
        self.revocations = Revocations(self.shards)
        self.introductions = Introductions(Directory(pool))
        self.hub = Hub()
        refusals = Refusals(self.hub)
        rates = MessageRates(self.shards, refusals, settings.messages_per_minute)
        pace = Pace(settings.uplink_pause_seconds)
        self.uplink = Uplink(self.gateway_id, self.publisher, self._queues, rates, refusals=refusals, pace=pace)
        self.routes = Routes(self.shards, self.gateway_id)
        self.silence = Silence(self.routes, self.publisher, settings.push_delay_seconds)
        self.takeover = Takeover(self.shards, self.gateway_id, self.silence, settings.push_delay_seconds)
        announcer = Announcer(self.hub, self.publisher, self.gateway_id, settings.renewal_seconds)
        heartbeat = Heartbeat(settings.ping_seconds, settings.pong_seconds)
        self.gateway = Gateway(
            hub=self.hub,
            uplink=self.uplink,
            routes=self.routes,
            silence=self.silence,
            heartbeat=heartbeat,
            announcer=announcer,
            typists=Typists(self.publisher, self.gateway_id),
            recovery=Recovery(self.hub, self.routes, self.shards, announcer),
            token_refresh=TokenRefresh(self.verifier, self.revocations, self.introductions, heartbeat),
        )
        self.admission = Admission(self.hub, settings.max_connections, settings.handshakes_per_second)
        deliverer = Deliverer(self.hub, self.uplink, self.silence)
        self.downlinks = [
            Downlink(self.shards, shard, self.gateway_id, deliverer, self.gateway.recovery)
            for shard in range(len(self.shards))
        ]

    def start(self, supervisor: Supervisor) -> None:
        """Start every background task."""
        supervisor.start("loop lag", watch_loop_lag())
        supervisor.start("key set", self.verifier.refresh_forever())
        supervisor.start("publisher", self.publisher.run())
        for downlink in self.downlinks:
            supervisor.start("downlink", downlink.run())
        for _ in range(LANES):
            supervisor.start("uplink", self.uplink.run_lane())
        for shard in range(len(self.shards)):
            supervisor.start("arrivals", self.routes.run_arrivals(shard))
        gateway = self.gateway
        supervisor.start("introductions", self.introductions.run())
        supervisor.start("routes", gateway.routes.run())
        supervisor.start("recovery", gateway.recovery.run())
        supervisor.start("renewal", gateway.recovery.renew_forever())
        supervisor.start("typists", gateway.typists.run())
        supervisor.start("announcer", gateway.announcer.run())
        supervisor.start("repeats", gateway.announcer.repeat_forever())
        supervisor.start("leases", gateway.announcer.renew_forever())
        supervisor.start("pongs", gateway.announcer.renew_alive_forever())
        supervisor.start("silence", gateway.silence.run())
        supervisor.start("takeover", self.takeover.run())
        supervisor.start("token refresh", gateway.token_refresh.run())
        supervisor.start("sweep", gateway.sweep_forever())

    def quiet(self) -> bool:
        """True when nothing is left to be sent or answered."""
        return all(part.quiet for part in (self.uplink, self.gateway.announcer, self.routes, self.silence))

    async def check_broker(self) -> None:
        """Raises BrokerUnavailable when commands can't be sent."""
        if not self.publisher.ready:
            raise BrokerUnavailable("no connection to publish on")

    async def check_downlinks(self) -> None:
        """Raises ConnectionError when deliveries don't come through."""
        if not all(downlink.up for downlink in self.downlinks):
            raise ConnectionError("a subscription is missing")

    async def check_draining(self) -> None:
        """Raises RuntimeError while the gateway sends its clients away."""
        if self.admission.draining:
            raise RuntimeError("draining")

    async def check_keys(self) -> None:
        """Raises RuntimeError before there is a key to verify tokens with."""
        if not self.verifier.ready:
            raise RuntimeError("no key")


def server_config(process: Process) -> uvicorn.Config:
    """HTTP and WebSocket as the gateway serves them."""
    settings = process.settings
    app = create_app(
        SERVICE,
        {
            "draining": process.check_draining,
            "redis": process.shards.ping,
            "downlinks": process.check_downlinks,
            "amqp": process.check_broker,
            "keys": process.check_keys,
        },
        settings.allowed_origins,
    )
    doorkeeper = Doorkeeper(process.verifier, settings.allowed_origins)
    entrance = Entrance(
        settings,
        process.gateway,
        process.admission,
        doorkeeper,
        revocations=process.revocations,
        introductions=process.introductions,
    )
    add_websocket(app, entrance)
    return uvicorn.Config(
        app,
        http=ListeningProtocol,
        ws=GatewayProtocol,
        ws_max_size=limits.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


async def main() -> int:
    """Run a gateway until SIGTERM; returns the exit status."""
    settings = load(GatewaySettings)
    configure_logging(settings, SERVICE)
    configure_tracing(settings, SERVICE)
    # Three lines for each handshake, the query with the token among them.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    listening = listen(settings.http_host, settings.http_port)
    pool = await postgres.open_pool(
        settings.database_url, size=settings.database_pool_size, application_name=settings.instance
    )
    process = Process(settings, pool)
    supervisor = Supervisor()
    process.start(supervisor)
    drain = Drain(process.hub, process.admission, process.silence, settings.drain_seconds, process.quiet)
    started = time.monotonic()
    log.info("gateway.started", gateway_id=process.gateway_id, port=listening.getsockname()[1])
    status = await serve_until(server_config(process), supervisor, drain.run, [listening])
    await supervisor.stop()
    await process.shards.aclose()
    pool.terminate()
    log.info("gateway.stopped", status=status, seconds=round(time.monotonic() - started, 3))
    return status
