"""The composition root of media: builds its parts, and starts and stops them in order."""

from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError

from services.media import metrics
from services.media.completion import Completion, Rules
from services.media.handlers import Handlers
from services.media.inspection.refusal import Refused
from services.media.inspection.scanner import scanner_at
from services.media.inspection.workers import Workers
from services.media.receiver import Receiver
from services.media.rest import Endpoints
from services.media.serving import Serving
from services.media.settings import MediaSettings
from services.media.storage import Storage
from services.media.sweep import Sweep
from services.media.transfers import Transfers
from services.media.uploads import Quota, Uploads
from shared.directory import Directory
from shared.features import announce_forever
from shared.lifecycle import Supervisor
from shared.postgres import Pool
from shared.priority import stand_back
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.features import served_by
from shared.redis import Partitions
from shared.rest import Authenticator, Bounds, StreamHttpProtocol, add_router, create_app
from shared.rest.errors import error_response
from shared.rest.rate_limit import RateLimit
from shared.service import Watches, database, http_server, read_settings, readiness, redis_partitions, serve
from shared.uploads import UploadSigner
from shared.uploads.signing import MEDIA_PATH

USER_STARTS: Final = 20
"""Requests of one user that start in a second, of a burst: an upload has three, and each means writing to the disk."""


class Media:
    """One replica of media, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: MediaSettings, pool: Pool, partitions: Partitions, signer: UploadSigner) -> None:
        self._settings = settings
        self._pool = pool
        self._partitions = partitions
        self._watches = Watches(settings, pool, partitions)
        self._stopping = False
        options = settings.upload_store_options
        self._storage = Storage(
            settings.upload_store,
            None if options is None else options.get_secret_value(),
            direct=settings.upload_direct,
        )
        uploads = Uploads(pool, Quota(settings.uploads_per_hour, settings.upload_bytes_per_day))
        self._workers = Workers(settings.upload_workers, settings.upload_worker_bytes, settings.upload_worker_seconds)
        self.sweep = Sweep(pool, self._storage, settings.upload_orphan_seconds, settings.upload_sweep_seconds)
        scanner = scanner_at(settings.upload_scanner_url, settings.upload_scanner_seconds)
        rules = Rules(frozenset(settings.upload_types), settings.upload_max_pixels)
        self.completion = Completion(uploads, self._storage, self._workers, scanner, rules, settings.upload_workers * 2)
        transfers = Transfers(settings.upload_transfers, settings.upload_bytes_per_second)
        handlers = Handlers(settings, uploads, self._storage, self.completion, signer)
        receiver, serving = Receiver(uploads, self._storage, transfers), Serving(uploads, self._storage, transfers)
        self.app = self._app(Endpoints(handlers, receiver, serving, signer))

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        self._watches.start(supervisor)
        supervisor.start("workers", self._workers.warm())
        supervisor.start("sweep", self.sweep.run())
        features = announce_forever(self._partitions, "media", self._settings.instance, served_by("media"))
        supervisor.start("features", features)

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        return http_server(self.app, self._settings, StreamHttpProtocol)

    async def drain(self) -> None:
        """Report not ready; the server finishes the requests under way."""
        self._stopping = True

    async def aclose(self) -> None:
        """End the worker processes."""
        await self._workers.stop()

    def _app(self, endpoints: Endpoints) -> FastAPI:
        health = readiness(
            self._pool,
            self._watches.database,
            lambda: self._stopping,
            {"redis": self._partitions.ping, "store": self._check_store},
            self._watches.verifier,
        )
        app = create_app(
            "media",
            health,
            self._settings.allowed_origins,
            Bounds(self._settings.rest_requests_per_second, USER_STARTS, {f"{MEDIA_PATH}/": None}),
        )
        app.state.authenticator = Authenticator(
            self._watches.verifier,
            self._watches.revocations,
            Directory(self._pool),
            RateLimit.of_service(self._settings, self._partitions, "media"),
        )
        app.add_exception_handler(Refused, _on_refused)
        app.add_exception_handler(BaseError, _on_store_away)
        add_router(app, endpoints.router())
        add_router(app, endpoints.bytes_router())
        return app

    async def _check_store(self) -> None:
        if self._stopping:
            raise ConnectionError
        await self._storage.ping()


async def _on_refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, error.reason))


async def _on_store_away(_request: Request, _error: Exception) -> JSONResponse:
    metrics.STORE_FAILURES.inc()
    return error_response(ProtocolError(ErrorCode.UNAVAILABLE))


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(MediaSettings, "media")
    stand_back(settings.upload_niceness)
    signer = settings.signer()
    assert signer is not None  # The settings have checked it.
    async with database(settings) as pool, redis_partitions(settings) as partitions:
        return await serve(Media(settings, pool, partitions, signer))
