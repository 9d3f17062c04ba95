"""Dead letters: messages that can't be handled, kept with the reason for whoever looks after them."""

from typing import Final

from shared.protocol.topology import DEAD_REASON_HEADER, Queue
from shared.rabbitmq.consumer import acknowledge, reject
from shared.rabbitmq.errors import TRANSIENT_ERRORS, BrokerUnavailable
from shared.rabbitmq.frames import Delivery
from shared.rabbitmq.publisher import Publisher

MAX_REASON_CHARACTERS: Final = 500


async def dead_letter(publisher: Publisher, queue: Queue, delivery: Delivery, reason: str) -> None:
    """Store a copy of `delivery` in `queue` that says why, then acknowledge it. Raises nothing.

    When the copy can't be stored, the broker itself moves the message to its queue's dead letters, without a reason.
    """
    headers = {DEAD_REASON_HEADER: reason[:MAX_REASON_CHARACTERS]}
    try:
        await publisher.publish(queue, delivery.body, headers=headers)
    except (BrokerUnavailable, *TRANSIENT_ERRORS):
        reject(delivery)
    else:
        acknowledge(delivery)
