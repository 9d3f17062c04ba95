"""Notifications that wait at the broker to be tried again."""

from collections.abc import Sequence
from typing import Final

from services.notifier.patience import patiently
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_RETRIES, NOTIFIER_RETRIES_DEAD, NOTIFIER_RETRY_WAITS
from shared.rabbitmq import Publisher

RETRY_QUEUES: Final = (NOTIFIER_RETRIES_DEAD, NOTIFIER_RETRIES, *NOTIFIER_RETRY_WAITS.values())


class Retries:
    """Hands notifications to the waiting queues; they come back on the queue of retries, to any replica."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def put(self, retries: Sequence[relay.PushRetry], wait_seconds: int) -> None:
        """Let `retries` wait; returns when the broker has them, however long that takes."""
        queue = NOTIFIER_RETRY_WAITS[wait_seconds]
        body = msgpack_encoder.encode(relay.PushRetryBatch(list(retries)))
        await patiently(
            "publish retries", lambda: self._publisher.publish(queue, body, expiration_seconds=wait_seconds)
        )
