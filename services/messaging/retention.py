"""Deletes messages that are older than `CHAT_RETENTION_DAYS`, in bounded batches, slowly enough not to delay live traffic."""

import asyncio
import time
from typing import Final

import structlog

from services.messaging import metrics
from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.message_changes import DeletedMessage
from services.messaging.stores.expiry import Expired, Expiry
from shared.redis import Partitions, Script
from shared.retry import retry_until_available

log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 1.0
"""Pause between two checks whether a round is due."""
PAUSE_SHARE: Final = 2.0
"""After each step it pauses for this many times the step's duration, so it uses at most a third of one connection's time."""
SHORTEST_PAUSE_SECONDS: Final = 0.005

_FORGET_LATEST: Final = Script("services.messaging.stores", "forget_latest")


class Retention:
    """The work of one replica. After a crash, the next step on any replica continues from the last commit."""

    def __init__(
        self, expiry: Expiry, partitions: Partitions, fanout: Fanout, announcer: ConversationAnnouncer
    ) -> None:
        self._expiry = expiry
        self._partitions = partitions
        self._fanout = fanout
        self._announcer = announcer

    async def run(self) -> None:
        """Delete expired messages. Never returns."""
        while True:
            started = time.monotonic()
            worked = await retry_until_available("retention", self.step)
            took = time.monotonic() - started
            await asyncio.sleep(max(PAUSE_SHARE * took, SHORTEST_PAUSE_SECONDS) if worked else IDLE_SECONDS)

    async def step(self) -> bool:
        """Delete one batch, in PostgreSQL and then in Redis. False when there is nothing to do now.

        Raises what asyncpg and redis raise, and may be repeated after that.
        """
        step = await self._expiry.step()
        if step is None:
            return False
        if step.ended:
            metrics.RETENTION_ROUNDS.inc()
        if step.expired is not None:
            await self._follow(step.expired)
            await self._expiry.settle(step.expired)
            count = step.expired.last - step.expired.first + 1
            metrics.EXPIRED.inc(count)
            log.debug("messages.expired", conversation_id=step.expired.conversation_id, messages=count)
        return not step.ended

    async def _follow(self, expired: Expired) -> None:
        """Remove the messages from Redis, and tell users whose unread counts fell."""
        conversation_id = expired.conversation_id
        gone = [DeletedMessage(conversation_id, seq, expired.at, expired.user_ids) for seq in expired.recent]
        await self._fanout.eraser.erase(gone)
        if expired.last_message is not None:
            await _FORGET_LATEST(self._partitions.of(conversation_id), conversation_id, expired.last_message)
        effects = self._fanout.effects()
        for user_id, unread in expired.unread.items():
            counter = effects.events_for(user_id).counter(conversation_id)
            effects.partition_of(user_id).changes.recount(counter, unread, expired.version)
        await self._fanout.deliver(effects)
        for user_id in expired.unread:
            await self._announcer.updated(user_id, conversation_id)
