"""Takes AMQP messages from a queue, decodes them to push requests, and acknowledges them when they are done."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from services.notifier import metrics
from services.notifier.handlers import Handlers
from services.notifier.push_jobs import AckCounter, PushRequest
from shared.protocol import relay
from shared.protocol.codec import is_uuid
from shared.rabbitmq import Consumer, Delivery

log = structlog.get_logger(__name__)

TAKE: Final = 64
"""AMQP messages that are handled together."""

Decode = Callable[[bytes, AckCounter], list[PushRequest]]
DeadLetter = Callable[[Delivery, str], Awaitable[None]]
"""Stores a message that can't be handled, with the reason."""


def decode_undelivered(body: bytes, counter: AckCounter) -> list[PushRequest]:
    """Decode a report of messaging or a gateway. Raises msgspec.MsgspecError or ValueError."""
    messages = relay.undelivered_batch_decoder.decode(body).messages
    return [PushRequest(_checked(message), counter) for message in messages]


def decode_retries(body: bytes, counter: AckCounter) -> list[PushRequest]:
    """Decode requests that the notifier itself deferred. Raises msgspec.MsgspecError or ValueError."""
    return [
        PushRequest(_checked(retry.message), counter, retry.subscription_id, retry.attempts, retry.deferrals)
        for retry in relay.push_retry_batch_decoder.decode(body).retries
    ]


def _checked(message: relay.Undelivered) -> relay.Undelivered:
    """Raise ValueError for ids that PostgreSQL would refuse, and with them all requests that it looks up together."""
    if not (is_uuid(message.receiver_id) and is_uuid(message.conversation_id)):
        raise ValueError("receiver_id and conversation_id must be UUIDs")
    return message


class PushConsumer:
    """Consumes one queue.

    It never waits for a push service. A message that can't be decoded goes to `dead_letter`, with the reason.
    """

    def __init__(self, consumer: Consumer, decode: Decode, handlers: Handlers, dead_letter: DeadLetter) -> None:
        self._consumer = consumer
        self._decode = decode
        self._handlers = handlers
        self._dead_letter = dead_letter

    async def run(self) -> None:
        """Take, handle and acknowledge. Never returns."""
        while True:
            await self._handle(await self._consumer.take(TAKE))

    async def _handle(self, deliveries: Sequence[Delivery]) -> None:
        counters: list[AckCounter] = []
        requests: list[PushRequest] = []
        for delivery in deliveries:
            counter = AckCounter(delivery)
            try:
                requests += self._decode(delivery.body, counter)
            except (msgspec.MsgspecError, ValueError) as error:
                metrics.POISON.inc()
                log.error("batch.dead_lettered", reason=str(error), size=len(delivery.body))
                await self._dead_letter(delivery, f"undecodable: {error}")
            else:
                counters.append(counter)
        await self._handlers.push(requests)
        for counter in counters:
            counter.done()
