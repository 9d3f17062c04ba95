"""The composition root of admin: builds its parts, and starts and stops them in order."""

from typing import Final

import uvicorn

from services.admin.audit import AuditTrail
from services.admin.authentication import Callers, ServiceTokens
from services.admin.conversation_routes import ConversationRoutes
from services.admin.eraser import Eraser
from services.admin.import_routes import ImportRoutes
from services.admin.importer import Importer
from services.admin.jobs import Jobs
from services.admin.privacy_routes import PrivacyRoutes
from services.admin.report_routes import ReportRoutes
from services.admin.rest import LARGER_BODIES, create_router
from services.admin.settings import AdminSettings
from services.admin.user_routes import UserRoutes
from shared import postgres
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor
from shared.media_hosts import MediaHosts
from shared.protocol.topology import MESSAGING_REQUESTS, NOTIFIER_EVENTS, NOTIFIER_REQUESTS, PRESENCE_REQUESTS
from shared.rabbitmq import BrokerUnavailable, Publisher
from shared.redis import Partitions
from shared.requests import Requester
from shared.rest import Bounds, StreamHttpProtocol, create_app
from shared.service import database, http_server, read_settings, readiness, redis_partitions, serve
from shared.store_clock import StoreClock

QUEUES: Final = (MESSAGING_REQUESTS, PRESENCE_REQUESTS, NOTIFIER_REQUESTS, NOTIFIER_EVENTS)


class Admin:
    """One replica of the server API, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: AdminSettings, pool: postgres.Pool, partitions: Partitions) -> None:
        self._settings = settings
        self._pool = pool
        self._partitions = partitions
        self._database = postgres.DatabaseWatch(settings.database_url, settings.instance, pool)
        self._stopping = False
        self._clock = StoreClock(partitions)
        self._tokens = ServiceTokens(settings, self._clock)
        self._publisher = Publisher(settings.amqp_url, settings.instance, QUEUES)
        requester = Requester(self._publisher, partitions, self._clock)
        directory, revocations = Directory(pool), Revocations(pool, partitions)
        media_hosts = MediaHosts(settings.media_allowed_hosts)
        jobs = Jobs(pool, settings.instance)
        self._eraser = Eraser(jobs, directory, revocations, self._publisher, requester)
        self._router = create_router(
            UserRoutes(directory, revocations, self._publisher, requester),
            ConversationRoutes(directory, requester, media_hosts),
            ReportRoutes(requester),
            ImportRoutes(Importer(directory, requester, media_hosts)),
            PrivacyRoutes(directory, jobs, requester),
        )

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("clock", self._clock.run())
        supervisor.start("database watch", self._database.run())
        supervisor.start("publisher", self._publisher.run())
        supervisor.start("eraser", self._eraser.run())
        for number, verifier in enumerate(self._tokens.verifiers):
            supervisor.start(f"keys {number}", verifier.refresh_forever())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        app = create_app(
            "admin",
            readiness(
                self._pool,
                self._database,
                lambda: self._stopping,
                {"redis": self._partitions.ping, "amqp": self._check_amqp},
            ),
            self._settings.allowed_origins,
            Bounds(larger_bodies=LARGER_BODIES),
        )
        app.add_middleware(AuditTrail, pool=self._pool)
        app.state.service_tokens = self._tokens
        app.state.authenticator = Callers()
        app.include_router(self._router)
        return http_server(app, self._settings, StreamHttpProtocol)

    async def drain(self) -> None:
        """Report not ready."""
        self._stopping = True

    async def aclose(self) -> None:
        """Do nothing: pool and partitions are closed where they were opened."""

    async def _check_amqp(self) -> None:
        if not self._publisher.ready:
            raise BrokerUnavailable("not publishing")


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(AdminSettings, "admin")
    async with database(settings) as pool, redis_partitions(settings) as partitions:
        return await serve(Admin(settings, pool, partitions))
