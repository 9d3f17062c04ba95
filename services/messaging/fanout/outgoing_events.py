"""Events for other services: messages that no gateway took (notifier), and changes of blocks (presence)."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import structlog

from services.messaging import metrics
from services.messaging.fanout.user_events import AnnouncedMessage
from shared.protocol import relay
from shared.protocol.bodies import bodies_of
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import (
    NOTIFIER_EVENTS,
    NOTIFIER_UNDELIVERED,
    NOTIFIER_WAITING,
    PRESENCE_COMMANDS,
    PRESENCE_POSTPONED,
)
from shared.rabbitmq import TRANSIENT_ERRORS, BrokerUnavailable, Publisher
from shared.redis import TRANSIENT_ERRORS as REDIS_ERRORS
from shared.redis import RedisError
from shared.redis.previews import Previews
from shared.retry import retry_until_available
from shared.tracing import HEADER

log = structlog.get_logger(__name__)

MAX_MESSAGES: Final = 256
"""Messages that are published together."""
PATIENCE_SECONDS: Final = 1.0
POSTPONED_SECONDS: Final = 5.0
MAX_BACKLOG: Final = 20_000
"""Messages that wait for the broker, about 20 MB. Beyond that, the newest get no push; the messages themselves are stored."""


def undelivered_of(message: AnnouncedMessage) -> relay.Undelivered:
    """Return the notifier's event about one message."""
    send, appended = message
    sender_id = "" if send.user_id == relay.SYSTEM_USER else send.user_id
    return relay.Undelivered(
        message_id=appended.message_id,
        conversation_id=send.conversation_id,
        seq=appended.seq,
        sender_id=sender_id,
        sender_username=appended.username or sender_id,
        receiver_id=appended.receiver_id,
        type=send.type,
        preview=(send.content or "")[: relay.MAX_PREVIEW_CHARACTERS],
        created_at_ms=round(appended.created_at.timestamp() * 1000),
        sender_name=appended.display_name or appended.username or sender_id,
    )


class OutgoingEvents:
    """Publishes to the notifier, with the push delay, and to presence."""

    def __init__(self, publisher: Publisher, previews: Previews, delay_seconds: float) -> None:
        self._publisher = publisher
        self._previews = previews
        self._delay_seconds = delay_seconds
        self._backlog: deque[relay.Undelivered] = deque()
        self._any_backlog = asyncio.Event()

    async def undelivered(self, announced: Sequence[AnnouncedMessage], trace: str | None = None) -> None:
        """Publish with confirm. After 1 s without one, the messages join the backlog, so that no push holds up a cycle.

        `trace`: the traceparent that the notifier continues.
        """
        messages = [undelivered_of(message) for message in announced]
        if not self._backlog:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._publish(messages, trace)
            except (BrokerUnavailable, RedisError, *TRANSIENT_ERRORS, *REDIS_ERRORS) as error:
                log.warning("undelivered.postponed", messages=len(messages), error=repr(error))
            else:
                return
        self._put_off(messages)

    async def run(self) -> None:
        """Publish the backlog, oldest first, as soon as the broker takes it. Never returns."""
        while True:
            await self._any_backlog.wait()
            first = [self._backlog[place] for place in range(min(MAX_MESSAGES, len(self._backlog)))]
            await retry_until_available("report undelivered", partial(self._publish, first))
            for _ in first:
                self._backlog.popleft()
            if not self._backlog:
                self._any_backlog.clear()

    async def _publish(self, messages: Sequence[relay.Undelivered], trace: str | None = None) -> None:
        headers = {HEADER: trace} if trace else None
        for start in range(0, len(messages), MAX_MESSAGES):
            part = await self._previews.keep(messages[start : start + MAX_MESSAGES])
            await asyncio.gather(
                *(
                    self._publisher.publish(
                        NOTIFIER_WAITING, body, expiration_seconds=self._delay_seconds, headers=headers
                    )
                    for body in bodies_of(part, relay.UndeliveredBatch, NOTIFIER_UNDELIVERED)
                )
            )
        metrics.UNDELIVERED.inc(len(messages))

    def _put_off(self, messages: Sequence[relay.Undelivered]) -> None:
        room = MAX_BACKLOG - len(self._backlog)
        if len(messages) > room:
            metrics.UNDELIVERED_DROPPED.inc(len(messages) - room)
        self._backlog.extend(messages[:room])
        self._any_backlog.set()

    async def blocks(self, changes: Iterable[relay.BlockChanged]) -> None:
        """Publish to presence, with confirm.

        When its queue refuses or doesn't answer, publish to a delay queue, from which the broker delivers it again. So a
        queue that is full, or has lost its leader, holds up no cycle. Block changes have versions, so their order doesn't
        matter.
        Raises what `Publisher.publish` raises.
        """
        body = msgpack_encoder.encode(relay.PresenceBatch(list(changes)))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._publisher.publish(PRESENCE_COMMANDS, body)
        except TRANSIENT_ERRORS as error:
            log.warning("blocks.postponed", error=repr(error))
            await self._publisher.publish(PRESENCE_POSTPONED, body, expiration_seconds=POSTPONED_SECONDS)

    async def profile(self, change: relay.ProfileChanged) -> None:
        """Publish a changed profile to presence, with confirm. Raises what `Publisher.publish` raises."""
        await self._publisher.publish(PRESENCE_COMMANDS, msgpack_encoder.encode(relay.PresenceBatch([change])))

    async def muted(self, change: relay.ConversationMuted) -> None:
        """Publish a mute to the notifier, with confirm. Raises what `Publisher.publish` raises."""
        await self._publisher.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(relay.NotifierEventBatch([change])))
