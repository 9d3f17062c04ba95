"""The composition root of the notifier: builds its parts, and starts and stops them in order."""

import asyncio
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI

from services.notifier.consumer import PushConsumer, decode_retries, decode_undelivered
from services.notifier.decision import Receivers
from services.notifier.delivery.claims import Claims
from services.notifier.delivery.outcome_handler import OutcomeHandler
from services.notifier.delivery.push_dispatcher import PushDispatcher
from services.notifier.delivery.recheck import Recheck
from services.notifier.delivery.retries import Retries
from services.notifier.delivery.senders import Senders
from services.notifier.delivery.service_queue import ServiceQueues
from services.notifier.devices import Devices
from services.notifier.events import EventConsumer
from services.notifier.handlers import Handlers
from services.notifier.links import Links
from services.notifier.native_push import NativePush
from services.notifier.push_settings import PushSettingsStore
from services.notifier.requests import Requests
from services.notifier.rest import DeviceEndpoints, SettingsEndpoints, WebPushEndpoints
from services.notifier.settings import NotifierSettings
from services.notifier.subscriptions import Subscriptions
from services.notifier.targets import Targets
from services.notifier.tasks import TaskSet
from services.notifier.unreached import Unreached
from services.notifier.user_data import UserData
from services.notifier.webpush.allowlist import AllowList
from services.notifier.webpush.http_client import WebPushClient
from services.notifier.webpush.sender import WebPushSender
from services.notifier.webpush.vapid import VapidKeys, VapidSigner
from shared import postgres
from shared.directory import Directory
from shared.lifecycle import Supervisor
from shared.priority import stand_back
from shared.protocol.requests import notifier_request_decoder
from shared.protocol.topology import NOTIFIER_DEAD, NOTIFIER_RETRIES_DEAD
from shared.rabbitmq import dead_letter
from shared.redis import Partitions
from shared.requests import Responder
from shared.rest import Authenticator, Bounds, add_router, create_app
from shared.rest.rate_limit import RateLimit
from shared.service import Watches, database, http_server, read_settings, readiness, redis_partitions, serve
from shared.webhooks import Outbox

log = structlog.get_logger(__name__)


class Stores:
    """What users registered and set, in PostgreSQL."""

    def __init__(self, pool: postgres.Pool) -> None:
        self.subscriptions = Subscriptions(pool)
        self.devices = Devices(pool)
        self.settings = PushSettingsStore(pool)
        self.user_data = UserData(pool)


class Notifier:
    """One replica of the notifier, with all its parts. Nothing runs before `start`."""

    def __init__(self, settings: NotifierSettings, pool: postgres.Pool, partitions: Partitions) -> None:
        self._settings = settings
        self._pool = pool
        self._partitions = partitions
        self._watches = Watches(settings, pool, partitions)
        self._stopping = False
        self._links = links = Links(settings)
        self._keys, self._allowed = _keys(settings), AllowList(settings.push_allowed_hosts)
        self._web_client = WebPushClient(settings.push_timeout_seconds)
        self._native = NativePush(settings)
        self._tasks = TaskSet()
        self._stores = Stores(pool)
        targets = Targets(self._stores.subscriptions, self._stores.devices, list(self._native.senders))
        self._dispatcher, handlers = self._delivery(targets)
        publisher = links.publisher
        self._undelivered = PushConsumer(
            links.undelivered, decode_undelivered, handlers, partial(dead_letter, publisher, NOTIFIER_DEAD)
        )
        self._retries = PushConsumer(
            links.retries, decode_retries, handlers, partial(dead_letter, publisher, NOTIFIER_RETRIES_DEAD)
        )
        self._events = EventConsumer(links.events, publisher, self._stores.settings, targets)
        self.requests = Requests(self._stores.user_data, self._stores.settings)
        self._responder = Responder(
            links.requests, partitions, notifier_request_decoder, self.requests.handle, clock=self._watches.clock
        )
        self.app = self._app()

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        self._watches.start(supervisor)
        self._links.start(supervisor)
        supervisor.start("tasks", self._tasks.run())
        supervisor.start("undelivered", self._undelivered.run())
        supervisor.start("retries", self._retries.run())
        supervisor.start("events", self._events.run())
        supervisor.start("requests", self._responder.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        return http_server(self.app, self._settings)

    async def drain(self) -> None:
        """Report not ready, and finish the requests under way."""
        self._stopping = True
        await self._dispatcher.drain(self._settings.push_timeout_seconds + 1)

    async def aclose(self) -> None:
        """Close the connections to the push services."""
        await asyncio.gather(self._web_client.aclose(), self._native.aclose())

    def _delivery(self, targets: Targets) -> tuple[PushDispatcher, Handlers]:
        """Build the parts between the consumers and the push services."""
        settings, tasks, ttl = self._settings, self._tasks, self._settings.push_ttl_seconds
        signer = VapidSigner(settings.vapid_subject)
        web = WebPushSender(self._web_client, self._allowed, self._keys, signer, ttl)
        senders = Senders(web, self._native.senders)
        receivers = Receivers(self._partitions, self._stores.settings)
        claims = Claims(self._partitions, settings.push_timeout_seconds)
        unreached: Unreached | None = None
        if settings.webhook_urls:
            unreached = Unreached(self._partitions, targets, self._pool, Outbox(settings.webhook_urls))
        retries = Retries(self._links.publisher)
        outcomes = OutcomeHandler(claims, targets, retries, settings.push_attempts, unreached)
        recheck = Recheck(tasks, receivers, targets, ttl)
        queues = ServiceQueues(settings.push_concurrency, settings.push_per_second)
        dispatcher = PushDispatcher(tasks, senders, recheck, claims, outcomes, queues)
        return dispatcher, Handlers(tasks, receivers, targets, dispatcher, outcomes, ttl)

    def _app(self) -> FastAPI:
        health = readiness(
            self._pool,
            self._watches.database,
            lambda: self._stopping,
            {"redis": self._partitions.ping, "amqp": self._links.check},
            self._watches.verifier,
        )
        app = create_app(
            "notifier", health, self._settings.allowed_origins, Bounds(self._settings.rest_requests_per_second)
        )
        app.state.authenticator = Authenticator(
            self._watches.verifier,
            self._watches.revocations,
            Directory(self._pool),
            RateLimit.of_service(self._settings, self._partitions, "notifier"),
        )
        add_router(app, WebPushEndpoints(self._stores.subscriptions, self._allowed, self._keys).router())
        add_router(app, DeviceEndpoints(self._stores.devices, self._settings.apns_topics).router())
        add_router(app, SettingsEndpoints(self._stores.settings).router())
        return app


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(NotifierSettings, "notifier")
    stand_back(settings.push_niceness)
    async with database(settings) as pool, redis_partitions(settings) as partitions:
        return await serve(Notifier(settings, pool, partitions))


def _keys(settings: NotifierSettings) -> VapidKeys | None:
    if settings.vapid_private_key is None:
        log.warning("push.no_key", note="CHAT_VAPID_PRIVATE_KEY is not set: no notification will be sent")
        return None
    if settings.has_local_subject:
        log.warning("push.local_subject", note="CHAT_VAPID_SUBJECT names localhost: Apple refuses such pushes")
    return VapidKeys.parse(settings.vapid_private_key.get_secret_value())
