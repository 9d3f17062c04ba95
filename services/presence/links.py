"""Presence's connections to RabbitMQ: one to publish, and one for each kind of work, so that none of them waits for another."""

from collections.abc import Iterable
from typing import Final

from services.presence.settings import PresenceSettings
from shared.lifecycle import Supervisor
from shared.protocol import topology
from shared.rabbitmq import BrokerUnavailable, Consumer, Delivery, Publisher, dead_letter

PREFETCH: Final = 1_000
"""Unacknowledged AMQP messages. Those for a Redis partition that is away wait here, and must leave room for others."""
PUBLISHED_TO: Final = (
    topology.PRESENCE_DEAD,
    topology.PRESENCE_RENEWALS,
    topology.WEBHOOK_EVENTS_DEAD,
    topology.WEBHOOK_EVENTS,
)


class Links:
    """The publisher, and the consumers of commands, lease renewals and requests of the server API."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings = settings
        self.publisher = Publisher(settings.amqp_url, settings.instance, PUBLISHED_TO)
        self.commands = self._consumer(topology.PRESENCE_COMMANDS, topology.PRESENCE_DEAD)
        self.renewals = self._consumer(topology.PRESENCE_RENEWALS, former=[topology.FORMER_RENEWALS])
        self.requests = self._consumer(topology.PRESENCE_REQUESTS)

    def start(self, supervisor: Supervisor) -> None:
        """Open all connections, and keep them open."""
        supervisor.start("publisher", self.publisher.run())
        supervisor.start("commands link", self.commands.run())
        supervisor.start("renewals link", self.renewals.run())
        supervisor.start("requests link", self.requests.run())

    async def check(self) -> None:
        """Raise BrokerUnavailable unless commands and renewals can be consumed."""
        if not (self.commands.ready and self.renewals.ready):
            raise BrokerUnavailable("not consuming")

    async def dead_letter(self, message: Delivery, reason: str) -> None:
        """Store a message that can't be handled, with the reason."""
        await dead_letter(self.publisher, topology.PRESENCE_DEAD, message, reason)

    def _consumer(self, queue: topology.Queue, *also: topology.Queue, former: Iterable[str] = ()) -> Consumer:
        name = f"{self._settings.instance}.{queue.name}"
        return Consumer(self._settings.amqp_url, name, queue, prefetch=PREFETCH, also=also, former=former)
