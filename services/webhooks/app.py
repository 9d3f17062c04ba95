"""The composition root of webhooks: builds its parts, and starts and stops them in order."""

import asyncio
from typing import Final

import uvicorn

from services.webhooks.endpoint import Endpoint
from services.webhooks.intake import Intake
from services.webhooks.settings import WebhooksSettings
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol.topology import WEBHOOK_EVENTS, WEBHOOK_EVENTS_DEAD
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher
from shared.rest import create_app
from shared.service import database, http_server, read_settings, readiness, serve
from shared.webhooks.outbox import Outbox

PREFETCH: Final = 200


class Webhooks:
    """One replica of webhooks, with all its parts.

    Nothing runs before `start`. Without endpoints, events from RabbitMQ are consumed and dropped, so that none waits forever.
    """

    def __init__(self, settings: WebhooksSettings, pool: postgres.Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._database = postgres.DatabaseWatch(settings.database_url, settings.instance, pool)
        self._stopping = False
        queues = (WEBHOOK_EVENTS_DEAD, WEBHOOK_EVENTS)
        self._publisher = Publisher(settings.amqp_url, settings.instance, queues)
        self._consumer = Consumer(
            settings.amqp_url, f"{settings.instance}.events", WEBHOOK_EVENTS, prefetch=PREFETCH, also=queues
        )
        self._intake = Intake(self._consumer, self._publisher, pool, Outbox(settings.webhook_urls))
        self._endpoints = [Endpoint(pool, url, settings) for url in settings.webhook_urls]

    def start(self, supervisor: Supervisor) -> None:
        """Start all background work."""
        supervisor.start("database watch", self._database.run())
        supervisor.start("publisher", self._publisher.run())
        supervisor.start("events link", self._consumer.run())
        supervisor.start("intake", self._intake.run())
        for number, endpoint in enumerate(self._endpoints):
            supervisor.start(f"endpoint {number}", endpoint.run())

    def http(self) -> uvicorn.Config:
        """The HTTP server's configuration."""
        app = create_app(
            "webhooks",
            readiness(self._pool, self._database, lambda: self._stopping, {"amqp": self._check_amqp}),
        )
        return http_server(app, self._settings)

    async def drain(self) -> None:
        """Report not ready, and wait for the posts under way."""
        self._stopping = True
        await asyncio.gather(*(endpoint.drain() for endpoint in self._endpoints))

    async def aclose(self) -> None:
        """Release the leases after the last post, so that other replicas go on."""
        for endpoint in self._endpoints:
            await endpoint.release()

    async def _check_amqp(self) -> None:
        if not (self._publisher.ready and self._consumer.ready):
            raise BrokerUnavailable("not consuming")


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = read_settings(WebhooksSettings, "webhooks")
    async with database(settings) as pool:
        return await serve(Webhooks(settings, pool))
