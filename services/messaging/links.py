"""Messaging's connections to RabbitMQ: one to publish, and one for each kind of work, so that none of them waits for another."""

from typing import Final

from services.messaging.settings import Settings
from shared.lifecycle import Supervisor
from shared.protocol.topology import (
    FORMER_SIGNALS,
    MESSAGING_CHANGES,
    MESSAGING_REQUESTS,
    MESSAGING_SIGNALS,
    QUEUES,
    command_queues,
)
from shared.rabbitmq import BrokerUnavailable, Consumer, Publisher

SIGNAL_PREFETCH: Final = 64
REQUEST_PREFETCH: Final = 8


class Links:
    """The publisher, and the consumers of commands, changes, typing signals and requests of the server API."""

    def __init__(self, settings: Settings) -> None:
        url, instance = settings.amqp_url, settings.instance
        self.publisher = Publisher(url, instance, QUEUES)
        self.commands = Consumer(
            url, instance, command_queues(settings.command_queues), prefetch=settings.command_prefetch, also=QUEUES
        )
        self.changes = Consumer(url, f"{instance}.changes", MESSAGING_CHANGES, prefetch=settings.command_prefetch)
        self.signals = Consumer(
            url, f"{instance}.signals", MESSAGING_SIGNALS, prefetch=SIGNAL_PREFETCH, former=[FORMER_SIGNALS]
        )
        self.requests = Consumer(
            url, f"{instance}.requests", MESSAGING_REQUESTS, prefetch=REQUEST_PREFETCH, also=QUEUES
        )

    def start(self, supervisor: Supervisor) -> None:
        """Open all connections, and keep them open."""
        supervisor.start("publisher", self.publisher.run())
        supervisor.start("commands link", self.commands.run())
        supervisor.start("changes link", self.changes.run())
        supervisor.start("signals link", self.signals.run())
        supervisor.start("requests link", self.requests.run())

    async def check(self) -> None:
        """Raise BrokerUnavailable unless messages can be published and consumed."""
        if not all(link.ready for link in (self.publisher, self.commands, self.changes, self.signals)):
            raise BrokerUnavailable("not consuming")
