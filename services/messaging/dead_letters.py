"""Dead letters: batches that can't be handled go to a queue of their own, with the reason, for an operator."""

from typing import Final

import structlog

from services.messaging import metrics
from shared.protocol.topology import MESSAGING_DEAD, MESSAGING_NEWER, WAITS_HEADER
from shared.rabbitmq import Delivery, Publisher, acknowledge, dead_letter

WAIT_SECONDS: Final = 5.0
MAX_WAITS: Final = 720
"""One hour in all, because a rolling upgrade may take that long."""

log = structlog.get_logger(__name__)


class DeadLetters:
    """Moves AMQP messages to the dead-letter queue."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def hand_on(self, message: Delivery) -> bool:
        """Leave a batch with commands that this version doesn't know to a newer replica, after a wait.

        False when that was done so often that there can be none.
        """
        waits = int(message.headers.get(WAITS_HEADER, 0)) + 1
        if waits > MAX_WAITS:
            return False
        metrics.HANDED_ON.inc()
        headers = {WAITS_HEADER: str(waits)}
        await self._publisher.publish(MESSAGING_NEWER, message.body, expiration_seconds=WAIT_SECONDS, headers=headers)
        acknowledge(message)
        return True

    async def add(self, message: Delivery, reason: str) -> None:
        """Publish a copy with the reason, count it, and log it. If the copy can't be published, the broker moves the
        message without a reason.
        """
        metrics.DEAD_LETTERS.inc()
        log.error("batch.dead_lettered", reason=reason, size=len(message.body))
        await dead_letter(self._publisher, MESSAGING_DEAD, message, reason)
