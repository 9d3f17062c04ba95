"""The notifier's connections to RabbitMQ: one to publish, and one for each queue, so that none of them waits for another."""

from typing import Final

from services.notifier.delivery.retries import RETRY_QUEUES
from services.notifier.settings import NotifierSettings
from shared.lifecycle import Supervisor
from shared.protocol.topology import (
    NOTIFIER_DEAD,
    NOTIFIER_EVENTS,
    NOTIFIER_EVENTS_DEAD,
    NOTIFIER_REQUESTS,
    NOTIFIER_RETRIES,
    NOTIFIER_RETRIES_DEAD,
    NOTIFIER_UNDELIVERED,
    Queue,
)
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher

PREFETCH: Final = 8_000
"""Unacknowledged AMQP messages: more than some slow service queues hold (2,000 jobs each), so that others still get through."""


class Links:
    """The publisher, and the consumers of new push requests, retries, other services' events, and the server API's requests."""

    def __init__(self, settings: NotifierSettings) -> None:
        self.publisher = Publisher(settings.amqp_url, settings.instance, RETRY_QUEUES)
        self.undelivered = _consumer(settings, NOTIFIER_UNDELIVERED, NOTIFIER_DEAD)
        self.retries = _consumer(settings, NOTIFIER_RETRIES, NOTIFIER_RETRIES_DEAD)
        self.events = _consumer(settings, NOTIFIER_EVENTS, NOTIFIER_EVENTS_DEAD)
        self.requests = _consumer(settings, NOTIFIER_REQUESTS)

    def start(self, supervisor: Supervisor) -> None:
        """Open all connections, and keep them open."""
        supervisor.start("publisher", self.publisher.run())
        supervisor.start("undelivered link", self.undelivered.run())
        supervisor.start("retries link", self.retries.run())
        supervisor.start("events link", self.events.run())
        supervisor.start("requests link", self.requests.run())

    async def check(self) -> None:
        """Raise BrokerUnavailable unless messages can be published and consumed."""
        if not all(link.ready for link in (self.publisher, self.undelivered, self.retries, self.events)):
            raise BrokerUnavailable("not consuming")


def _consumer(settings: NotifierSettings, queue: Queue, *dead: Queue) -> Consumer:
    return Consumer(settings.amqp_url, f"{settings.instance}.{queue.name}", queue, prefetch=PREFETCH, also=dead)
