"""Dead letters: batches that can't be handled are kept in a queue of their own, with the reason, for an operator."""

import structlog

from services.messaging import metrics
from shared.protocol.topology import MESSAGING_DEAD
from shared.rabbitmq import Delivery, Publisher, dead_letter

log = structlog.get_logger(__name__)


class DeadLetters:
    """Moves AMQP messages to the dead-letter queue."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def add(self, message: Delivery, reason: str) -> None:
        """Publish a copy with the reason, count it, and log it. If the copy can't be published, the broker moves the
        message without a reason.
        """
        metrics.DEAD_LETTERS.inc()
        log.error("command.dead", reason=reason, size=len(message.body))
        await dead_letter(self._publisher, MESSAGING_DEAD, message, reason)
