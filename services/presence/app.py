"""The presence process: what it is made of, its start and its stop, in order."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from services.presence.absences import Absences
from services.presence.announcer import Announcer
from services.presence.commands import Commands
from services.presence.consumer import Intake
from services.presence.follows import Follows
from services.presence.friends import Friends
from services.presence.friendships import Friendships
from services.presence.greeter import Greeter
from services.presence.http import Interface, create_router
from services.presence.lanes import Lanes
from services.presence.leases import Leases
from services.presence.rules import Timing
from services.presence.servers import Servers
from services.presence.settings import PresenceSettings
from services.presence.statuses import Statuses
from services.presence.sweep import Sweep
from shared import postgres
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor, serve_until
from shared.protocol import relay, topology
from shared.rabbitmq import BrokerUnavailable, Consumer
from shared.redis import Shards
from shared.rest import Authenticator, HealthCheck, create_app
from shared.settings import load
from shared.telemetry import configure_logging, watch_loop_lag

log = structlog.get_logger(__name__)

PREFETCH: Final = 2_000
"""Messages in hand. Those for a Redis server that is away wait here, and must not keep the others out."""
CLOSE_SECONDS: Final = 2.0


class Process:
    """One replica, put together."""

    def __init__(self, settings: PresenceSettings, pool: postgres.Pool, shards: Shards) -> None:
        self._settings = settings
        self._pool = pool
        self._shards = shards
        self._stopping = False
        timing = Timing(
            lease_ms=round(settings.lease_seconds * 1000),
            grace_ms=round(settings.offline_grace_seconds * 1000),
            retry_ms=round(settings.announce_retry_seconds * 1000),
        )
        self.follows = Follows(pool)
        self.friends = Friends(shards, self.follows, settings.friends_cache_seconds)
        self.leases = Leases(shards, timing)
        self._servers = Servers(shards)
        self.announcer = Announcer(shards, self.friends, self._servers)
        self._absences = Absences(shards)
        self.friendships = Friendships(self.follows, self.friends, self.announcer, self._absences, self.leases.clock)
        self._greeter = Greeter(shards, self.friends, self.announcer, self.friendships)
        commands = Commands(self.leases, self.announcer, self._greeter, self.friendships)
        self._commands = self._consumer(topology.PRESENCE_COMMANDS, topology.PRESENCE_DEAD)
        self._renewals = self._consumer(topology.PRESENCE_RENEWALS, former=[topology.FORMER_RENEWALS])
        self._sweeps = [
            Sweep(self.leases, self.announcer, server, settings.sweep_seconds, lambda: self._renewals.ready)
            for server in range(len(shards))
        ]
        lanes = Lanes(shards)
        self._command_intake = Intake(
            "commands", self._commands, relay.presence_batch_decoder, lanes.of_commands, commands.handle
        )
        self._renewal_intake = Intake(
            "renewals", self._renewals, relay.lease_renewal_decoder, lanes.of_renewals, commands.renew
        )
        self.verifier = TokenVerifier(settings)
        self.app = self._app()

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("loop lag", watch_loop_lag())
        supervisor.start("keys", self.verifier.refresh_forever())
        supervisor.start("commands link", self._commands.run())
        supervisor.start("renewals link", self._renewals.run())
        supervisor.start("commands", self._command_intake.run())
        supervisor.start("renewals", self._renewal_intake.run())
        supervisor.start("servers", self._servers.watch(self._settle))
        for sweep in self._sweeps:
            supervisor.start("sweep", sweep.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        host, port = self._settings.http_host, self._settings.http_port
        return uvicorn.Config(self.app, host=host, port=port, log_config=None, access_log=False)

    async def _settle(self) -> None:
        await self.announcer.settle()
        await self._greeter.settle()

    def _app(self) -> FastAPI:
        checks: dict[str, HealthCheck] = {
            "postgres": lambda: postgres.ping(self._pool),
            "redis": self._shards.ping,
            "amqp": self._check_amqp,
        }
        app = create_app("presence", checks, self._settings.allowed_origins)
        directory = Directory(self._pool)
        app.state.authenticator = Authenticator(self.verifier, Revocations(self._shards), directory)
        interface = Interface(
            directory,
            self.follows,
            self.friends,
            self.friendships,
            statuses=Statuses(self._shards),
            absences=self._absences,
        )
        app.include_router(create_router(interface))
        return app

    async def drain(self) -> None:
        """Become unready, and finish what is in hand."""
        self._stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_seconds / 2):
                await asyncio.gather(self._command_intake.drain(), self._renewal_intake.drain())
        except TimeoutError:
            log.warning("drain.incomplete")

    async def _check_amqp(self) -> None:
        if self._stopping or not (self._commands.ready and self._renewals.ready and self.verifier.ready):
            raise BrokerUnavailable("not consuming")

    def _consumer(self, queue: topology.Queue, *also: topology.Queue, former: Iterable[str] = ()) -> Consumer:
        name = f"{self._settings.instance}.{queue.name}"
        return Consumer(self._settings.amqp_url, name, queue, prefetch=PREFETCH, also=also, former=former)


async def main() -> int:
    """Run presence until SIGTERM. Returns the exit status."""
    settings = load(PresenceSettings)
    configure_logging(settings, "presence")
    pool = await postgres.open_pool(
        settings.database_url, size=settings.database_pool_size, application_name=settings.instance
    )
    shards = Shards(settings.redis_urls)
    process = Process(settings, pool, shards)
    supervisor = Supervisor()
    process.start(supervisor)
    try:
        return await serve_until(process.http(), supervisor, process.drain)
    finally:
        await supervisor.stop()
        await shards.aclose()
        # A server that doesn't answer must not keep us: asyncpg drops its connections when the close is cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()
