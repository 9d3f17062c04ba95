"""The notifier's composition root: what there is, in which order it starts, and in which order it stops."""

from typing import Final

import structlog
import uvicorn

from services.notifier.allowlist import AllowList
from services.notifier.claims import Claims
from services.notifier.consumer import Intake, decode_retries, decode_undelivered
from services.notifier.dispatcher import Dispatcher
from services.notifier.http import create_router
from services.notifier.pushclient import PushClient
from services.notifier.receivers import Receivers
from services.notifier.retries import RETRY_QUEUES, Retries
from services.notifier.sender import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.settlement import Settlement
from services.notifier.subscriptions import Subscriptions
from services.notifier.vapid import VapidKeys, VapidSigner
from shared import postgres, telemetry
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor, serve_until
from shared.protocol.topology import (
    NOTIFIER_DEAD,
    NOTIFIER_RETRIES,
    NOTIFIER_RETRIES_DEAD,
    NOTIFIER_UNDELIVERED,
    Queue,
)
from shared.rabbitmq import Consumer, Publisher
from shared.redis import Shards
from shared.rest import Authenticator, HealthCheck, create_app
from shared.settings import load

log = structlog.get_logger(__name__)

PREFETCH: Final = 2_000
"""AMQP messages in hand: more than a few slow lanes hold (500 notifications each), so that others still get through."""


class Notifier:
    """Everything between the queues and the push services, put together; nothing runs before `start`."""

    def __init__(
        self,
        settings: NotifierSettings,
        supervisor: Supervisor,
        pool: postgres.Pool,
        shards: Shards,
        client: PushClient,
    ) -> None:
        allowed, keys = AllowList(settings.push_allowed_hosts), _keys(settings)
        subscriptions, claims = Subscriptions(pool), Claims(shards, settings.push_timeout_seconds)
        self._settings = settings
        self._supervisor = supervisor
        self._pool = pool
        self._publisher = Publisher(settings.amqp_url, settings.instance, RETRY_QUEUES)
        self._undelivered = _consumer(settings, NOTIFIER_UNDELIVERED, NOTIFIER_DEAD)
        self._retries = _consumer(settings, NOTIFIER_RETRIES, NOTIFIER_RETRIES_DEAD)
        self._verifier = TokenVerifier(settings)
        settlement = Settlement(claims, subscriptions, Retries(self._publisher), settings.push_attempts)
        sender = Sender(client, allowed, keys, VapidSigner(settings.vapid_subject), settings.push_ttl_seconds)
        self._dispatcher = Dispatcher(supervisor, sender, claims, settlement, settings.push_concurrency)
        self._intake = Intake(Receivers(shards), subscriptions, self._dispatcher, settlement, settings.push_ttl_seconds)
        self._stopping = False
        checks: dict[str, HealthCheck] = {
            "database": self._ping_database,
            "redis": shards.ping,
            "broker": self._check_broker,
        }
        self.app = create_app("notifier", checks, settings.allowed_origins)
        self.app.state.authenticator = Authenticator(self._verifier, Revocations(shards), Directory(pool))
        self.app.include_router(create_router(subscriptions, allowed, keys))

    def start(self) -> None:
        """Start the background tasks."""
        start = self._supervisor.start
        start("publisher", self._publisher.run())
        start("undelivered link", self._undelivered.run())
        start("retries link", self._retries.run())
        start("undelivered", self._intake.run(self._undelivered, decode_undelivered))
        start("retries", self._intake.run(self._retries, decode_retries))
        start("key set", self._verifier.refresh_forever())
        start("loop lag", telemetry.watch_loop_lag())

    async def drain(self) -> None:
        """Say that we go, and finish the requests under way."""
        self._stopping = True
        await self._dispatcher.drain(self._settings.push_timeout_seconds + 1)

    async def _ping_database(self) -> None:
        await postgres.ping(self._pool)

    async def _check_broker(self) -> None:
        links = (self._publisher, self._undelivered, self._retries)
        if self._stopping or not all(link.ready for link in links):
            raise ConnectionError


async def main() -> int:
    """Run the notifier until SIGTERM. Returns the exit status."""
    settings = load(NotifierSettings)
    telemetry.configure_logging(settings, "notifier")
    supervisor = Supervisor()
    shards = Shards(settings.redis_urls)
    pool = await postgres.open_pool(
        settings.database_url, size=settings.database_pool_size, application_name="notifier"
    )
    try:
        async with PushClient(settings.push_timeout_seconds) as client:
            notifier = Notifier(settings, supervisor, pool, shards, client)
            notifier.start()
            config = uvicorn.Config(
                notifier.app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False
            )
            status = await serve_until(config, supervisor, notifier.drain)
            await supervisor.stop()
            return status
    finally:
        await shards.aclose()
        await pool.close()


def _consumer(settings: NotifierSettings, queue: Queue, dead: Queue) -> Consumer:
    return Consumer(settings.amqp_url, f"{settings.instance}.{queue.name}", queue, prefetch=PREFETCH, also=[dead])


def _keys(settings: NotifierSettings) -> VapidKeys | None:
    if settings.vapid_private_key is None:
        log.warning("push.no_key", message="CHAT_VAPID_PRIVATE_KEY is not set: no notification will be sent")
        return None
    return VapidKeys.parse(settings.vapid_private_key.get_secret_value())
