"""The start and stop of every service's process: settings, logs and traces, connections, tasks and HTTP server.

settings = read_settings(PresenceSettings, "presence")
async with database(settings) as pool, redis_partitions(settings) as partitions:
return await serve(Presence(settings, pool, partitions))
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import uvicorn

from shared import postgres
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.lifecycle import Supervisor, serve_until
from shared.redis import Partitions, open_partitions
from shared.rest import KEEP_ALIVE_SECONDS, Health, HealthCheck, HttpProtocol, StreamHttpProtocol, demand
from shared.settings import ServiceSettings, load
from shared.store_clock import StoreClock
from shared.telemetry import configure_logging, watch_loop_lag
from shared.tracing import configure_tracing

if TYPE_CHECKING:
    from fastapi import FastAPI

S = TypeVar("S", bound=ServiceSettings)

STREAM_STOP_SECONDS: Final = 30
"""How long a service with long requests finishes those under way when it stops: orchestrators kill it after 60 s."""


class Watches:
    """What a replica reads again and again, and decides by.

    These are Redis' clock, the condition of the database, the keys of tokens, and which tokens are revoked.
    """

    def __init__(self, settings: ServiceSettings, pool: postgres.Pool, partitions: Partitions) -> None:
        self.clock = StoreClock(partitions)
        self.database = postgres.DatabaseWatch(settings.database_url, settings.instance, pool)
        self.verifier = TokenVerifier(settings, self.clock.now)
        self.revocations = Revocations(pool, partitions)

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("clock", self.clock.run())
        supervisor.start("database watch", self.database.run())
        supervisor.start("keys", self.verifier.refresh_forever())
        supervisor.start("revocations", self.revocations.run())


class Service(Protocol):
    """One replica of a service, with all its parts. Nothing runs before `start`."""

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration, with an app of `create_app`."""

    async def drain(self) -> None:
        """Report not ready, and finish all work under way."""

    async def aclose(self) -> None:
        """Close what only this service has opened, after the last task has ended."""


def read_settings(kind: type[S], name: str) -> S:
    """Read the settings of the service `name`, and configure logs and traces.

    Ends the process, with a clear message, when a setting is wrong.
    """
    settings = load(kind)
    configure_logging(settings, name)
    configure_tracing(settings, name)
    return settings


@asynccontextmanager
async def database(
    settings: ServiceSettings, *, use: str = "", size: int | None = None, hints: Mapping[str, str] | None = None
) -> AsyncIterator[postgres.Pool]:
    """Open a pool of `size` connections (default: `database_pool_size`).

    Their name in PostgreSQL has the instance's name and `use`.
    """
    pool = await postgres.open_pool(
        settings.database_url,
        size=size or settings.database_pool_size,
        application_name=f"{settings.instance}-{use}" if use else settings.instance,
        hints=hints,
    )
    try:
        yield pool
    finally:
        await postgres.close_pool(pool)


@asynccontextmanager
async def redis_partitions(settings: ServiceSettings) -> AsyncIterator[Partitions]:
    """Open the partitions of Redis."""
    partitions = open_partitions(settings.redis_urls, settings.redis_partitions)
    try:
        yield partitions
    finally:
        await partitions.aclose()


def readiness(
    pool: postgres.Pool,
    schema: postgres.DatabaseWatch,
    is_stopping: Callable[[], bool],
    backends: Mapping[str, HealthCheck],
    verifier: TokenVerifier | None = None,
) -> Health:
    """Return what `/readyz` of a service reports: PostgreSQL and the other `backends`, and the state of the replica itself.

    A replica is ready while it isn't stopping, has a key to verify clients' tokens with, and has the schema that it needs.
    """
    replica = {"stopping": demand(lambda: not is_stopping(), "shutting down"), "schema": schema.check}
    if verifier is not None:
        replica["keys"] = demand(lambda: verifier.ready, "no key to verify tokens with")
    return Health({"postgres": lambda: postgres.ping(pool), **backends}, replica, schema.notes)


def http_server(app: Any, settings: ServiceSettings, protocol: type[asyncio.Protocol] = HttpProtocol) -> uvicorn.Config:
    """Return uvicorn's configuration for an ASGI application at the settings' address.

    When the service stops, requests under way are finished for a while, and then cancelled: a client could hold one for ever.
    """
    streams = issubclass(protocol, StreamHttpProtocol)
    return uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        http=protocol,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STREAM_STOP_SECONDS if streams else math.ceil(settings.shutdown_seconds / 2),
    )


async def serve(service: Service) -> int:
    """Run until SIGTERM, or until a task fails. Returns the exit status."""
    supervisor = Supervisor()
    supervisor.start("loop lag", watch_loop_lag())
    service.start(supervisor)
    config = service.http()
    try:
        return await serve_until(config, supervisor, service.drain)
    finally:
        await supervisor.stop()
        await cast("FastAPI", config.app).state.health.stop()
        await service.aclose()
