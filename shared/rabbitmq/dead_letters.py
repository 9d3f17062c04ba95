"""Dead letters: messages that can't be handled. They are stored with the reason, for an operator to read."""

import asyncio
import random
from typing import Final

import structlog

from shared.protocol.topology import DEAD_REASON_HEADER, Queue
from shared.rabbitmq.consumer import acknowledge
from shared.rabbitmq.errors import PUBLISH_ERRORS
from shared.rabbitmq.frames import Delivery
from shared.rabbitmq.publisher import Publisher

log = structlog.get_logger(__name__)

MAX_REASON_CHARACTERS: Final = 500
PAUSE_SECONDS: Final = 1.0


async def dead_letter(publisher: Publisher, queue: Queue, delivery: Delivery, reason: str) -> None:
    """Store a copy of `delivery` with the reason in `queue`, then acknowledge the delivery. Raises nothing.

    If the copy can't be stored, this function tries again, and the delivery stays unacknowledged. It also returns when the
    delivery's connection is lost: the broker then redelivers the message, and the next consumer makes it a dead letter.
    """
    headers = {DEAD_REASON_HEADER: reason[:MAX_REASON_CHARACTERS]}
    while not delivery.lost:
        try:
            await publisher.publish(queue, delivery.body, headers=headers)
        except PUBLISH_ERRORS as error:
            log.warning("dead_letter.held", queue=queue.name, error=repr(error))
        else:
            acknowledge(delivery)
            return
        await asyncio.sleep(random.uniform(PAUSE_SECONDS / 2, PAUSE_SECONDS))  # noqa: S311
