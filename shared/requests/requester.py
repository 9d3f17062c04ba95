"""Asks another service, and waits for its answer."""

import asyncio
from typing import Final, TypeVar, cast
from uuid import uuid4

import msgspec

from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import FINISH_SECONDS, Request, reply_decoder
from shared.protocol.topology import Queue
from shared.rabbitmq import TRANSIENT_ERRORS as BROKER_ERRORS
from shared.rabbitmq import BrokerUnavailable, Publisher
from shared.redis import Partitions
from shared.store_clock import StoreClock

T = TypeVar("T")

ANSWER_SECONDS: Final = 10.0
"""Default time to wait for a reply."""
LOOK_SECONDS: Final = 2.0
"""Longest wait of one Redis command. It must be less than the client's own time-out."""
MOST_AT_ONCE: Final = 32
"""Concurrent requests of one process. Each holds a Redis connection while it waits."""


class Requester:
    """Publishes requests to RabbitMQ, and reads the replies from Redis. At most `MOST_AT_ONCE` are under way; more wait."""

    def __init__(self, publisher: Publisher, partitions: Partitions, clock: StoreClock) -> None:
        self._clock = clock
        self._publisher = publisher
        self._partitions = partitions
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def ask(
        self, queue: Queue, request: msgspec.Struct, answer: type[T], *, seconds: float = ANSWER_SECONDS
    ) -> T:
        """Send `request` to the service of `queue`, and return its reply.

        Raises ProtocolError with the service's code, or `unavailable` when nobody answered within `seconds`. Then the request
        may have been carried out; repeating it is harmless.
        """
        try:
            async with asyncio.timeout(seconds), self._places:
                return await self._ask(queue, request, answer, seconds)
        except (TimeoutError, BrokerUnavailable, *BROKER_ERRORS):
            raise ProtocolError(ErrorCode.UNAVAILABLE) from None

    async def _ask(self, queue: Queue, request: msgspec.Struct, answer: type[T], seconds: float) -> T:
        name = str(uuid4())
        expires_at_ms = self._clock.now_ms() + round(seconds * 1000)
        envelope = Request(name, expires_at_ms, msgpack_encoder.encode(request))
        body, lasts = msgpack_encoder.encode(envelope), seconds + FINISH_SECONDS
        await self._publisher.publish(queue, body, expiration_seconds=lasts)
        partition = self._partitions.of(name)
        key = partition.key(keys.REPLY, name)
        taken = None
        while taken is None:
            taken = await partition.client.blpop([key], timeout=LOOK_SECONDS)
        reply = reply_decoder.decode(cast("bytes", taken[1]))
        if reply.code:
            raise ProtocolError(ErrorCode(reply.code), reply.message)
        return msgspec.msgpack.decode(reply.body, type=answer)
