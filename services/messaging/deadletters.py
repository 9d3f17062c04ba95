"""Dead letters: batches that can't be handled, kept with the reason for whoever looks after them."""

import structlog

from services.messaging import metrics
from shared import rabbitmq
from shared.amqp import Delivery
from shared.protocol.topology import DEAD_REASON_HEADER, MESSAGING_DEAD
from shared.rabbitmq import Publisher

log = structlog.get_logger(__name__)

MAX_REASON_CHARACTERS = 500


class DeadLetters:
    """Puts deliveries aside."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def bury(self, message: Delivery, reason: str) -> None:
        """Store a copy that says why, then acknowledge. When the copy can't be stored, the broker moves the message
        without a reason.
        """
        metrics.DEAD_LETTERS.inc()
        log.error("command.dead", reason=reason, size=len(message.body))
        headers = {DEAD_REASON_HEADER: reason[:MAX_REASON_CHARACTERS]}
        try:
            await self._publisher.publish(MESSAGING_DEAD, message.body, headers=headers)
        except (rabbitmq.BrokerUnavailable, *rabbitmq.TRANSIENT_ERRORS):
            rabbitmq.reject(message)
        else:
            rabbitmq.acknowledge(message)
