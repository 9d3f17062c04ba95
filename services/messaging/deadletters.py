"""Dead letters: batches that can't be handled, kept with the reason for whoever looks after them."""

import structlog

from services.messaging import metrics
from shared.protocol.topology import MESSAGING_DEAD
from shared.rabbitmq import Delivery, Publisher, dead_letter

log = structlog.get_logger(__name__)


class DeadLetters:
    """Puts deliveries aside."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def bury(self, message: Delivery, reason: str) -> None:
        """Store a copy that says why, count it, and log it."""
        metrics.DEAD_LETTERS.inc()
        log.error("command.dead", reason=reason, size=len(message.body))
        await dead_letter(self._publisher, MESSAGING_DEAD, message, reason)
