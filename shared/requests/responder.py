"""Answers requests of other services: a few at a time, each acknowledged when its reply is in Redis."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import FINISH_SECONDS, MAX_REPLY_BYTES, REPLY_SECONDS, Reply, Request, request_decoder
from shared.rabbitmq import Consumer, Delivery, acknowledge
from shared.redis import Partitions
from shared.retry import is_transient
from shared.store_clock import StoreClock

log = structlog.get_logger(__name__)

R = TypeVar("R")

MOST_AT_ONCE: Final = 4
"""Concurrent requests of one replica. They share its database connections with all other work."""
PAUSE_SECONDS: Final = 0.2
"""Pause between two attempts while a backend is away."""

Handle = Callable[[R, bool], Awaitable[msgspec.Struct]]
"""Carries out a request, and returns its reply. The flag tells that it may have been carried out before. Raises ProtocolError."""


class Responder(Generic[R]):
    """Consumes a queue of requests. `decoder` decodes the service's requests, `handle` carries one out."""

    def __init__(
        self,
        consumer: Consumer,
        partitions: Partitions,
        decoder: msgspec.msgpack.Decoder[R],
        handle: Handle[R],
        *,
        clock: StoreClock,
    ) -> None:
        self._clock = clock
        self._consumer = consumer
        self._partitions = partitions
        self._decoder = decoder
        self._handle = handle
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Answer requests. Never returns."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for delivery in await self._consumer.take(MOST_AT_ONCE):
                    await self._places.acquire()
                    tasks.create_task(self._work(delivery))

    async def _work(self, delivery: Delivery) -> None:
        try:
            await self._answer(delivery)
        finally:
            self._places.release()

    async def _answer(self, delivery: Delivery) -> None:
        """Answer one request, and acknowledge it.

        A request that can't be answered yet isn't acknowledged, and goes to another replica. One that may have been begun is
        finished, although nobody waits for the reply any more.
        """
        try:
            request = request_decoder.decode(delivery.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.error("request.undecodable", error=str(error), size=len(delivery.body))
            acknowledge(delivery)
            return
        again = delivery.redelivered
        while self._clock.now_ms() < request.expires_at_ms + again * FINISH_SECONDS * 1000:
            try:
                await self._put(request.reply_to, await self._reply(request, again))
                break
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("request.held", error=repr(error))
                again = True
            await asyncio.sleep(PAUSE_SECONDS)
        acknowledge(delivery)

    async def _reply(self, request: Request, again: bool) -> Reply:
        """Return the reply to a request. Raises errors that mean that a backend is away."""
        try:
            body = msgpack_encoder.encode(await self._handle(self._decoder.decode(request.body), again))
        except ProtocolError as error:
            return Reply(error.code, error.event.error.message)
        except Exception as error:
            if is_transient(error):
                raise
            return _internal_error()
        if len(body) > MAX_REPLY_BYTES:
            log.error("request.reply_too_large", size=len(body))
            return Reply(ErrorCode.INTERNAL_ERROR, f"The answer is larger than {MAX_REPLY_BYTES} bytes")
        return Reply(body=body)

    async def _put(self, reply_to: str, reply: Reply) -> None:
        partition = self._partitions.of(reply_to)
        async with partition.client.pipeline(transaction=True) as pipe:
            pipe.rpush(partition.key(keys.REPLY, reply_to), msgpack_encoder.encode(reply))
            pipe.expire(partition.key(keys.REPLY, reply_to), REPLY_SECONDS)
            await pipe.execute()


def _internal_error() -> Reply:
    """Return the reply after an unexpected error, which is logged under the id in the reply."""
    error_id = uuid.uuid4().hex
    log.exception("request.failed", error_id=error_id)
    return Reply(ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")
