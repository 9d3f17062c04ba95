"""Tells webhooks of messages whose receiver no push could reach, so that the platform can send its own.

The event contains the message's content, so it goes into the outbox at once, where a deletion of the message can find it.
"""

from typing import Final

from services.notifier.push_jobs import PushJob
from services.notifier.targets import Targets
from shared.postgres import Pool
from shared.protocol import keys, relay
from shared.protocol.codec import instant_of_ms
from shared.protocol.webhooks import EventType, WebhookEvent
from shared.redis import Partitions
from shared.redis.previews import Previews
from shared.retry import retry_until_available
from shared.webhooks import Outbox, event

REMEMBER_SECONDS: Final = 86_400
"""How long a message's failed devices are remembered: longer than its last retry."""


class Unreached:
    """Detects when the last device of a receiver is given up. It waits while a backend is away."""

    def __init__(self, partitions: Partitions, targets: Targets, pool: Pool, outbox: Outbox) -> None:
        self._partitions = partitions
        self._previews = Previews(partitions)
        self._targets = targets
        self._pool = pool
        self._outbox = outbox

    async def unsubscribed(self, message: relay.Undelivered) -> None:
        """Tell webhooks that the receiver has no device."""
        await self._publish(message, "no_subscription")

    async def gave_up(self, job: PushJob) -> None:
        """Note that one device won't get its notification.

        Tells webhooks when no other device of the receiver can still get it.
        """
        message = job.message
        failed = await retry_until_available("unreached", lambda: self._note(message, job.target.id))
        found = await retry_until_available("targets", lambda: self._targets.of([message.receiver_id]))
        left = {each.id for each in found.of(message.receiver_id, 0)} - failed
        if not left:
            await self._publish(message, "push_failed")

    async def _note(self, message: relay.Undelivered, target_id: str) -> set[str]:
        """Remember that the device failed. Returns all devices that failed for this message."""
        partition = self._partitions.of(message.receiver_id)
        key = partition.key(keys.UNREACHED, message.message_id)
        async with partition.client.pipeline(transaction=True) as pipe:
            pipe.sadd(key, target_id)
            pipe.expire(key, REMEMBER_SECONDS)
            pipe.smembers(key)
            *_, members = await pipe.execute()
        return {member.decode() for member in members}

    async def _publish(self, message: relay.Undelivered, reason: str) -> None:
        data = {
            "conversationId": message.conversation_id,
            "messageId": message.message_id,
            "seq": message.seq,
            "senderId": message.sender_id or None,
            "receiverId": message.receiver_id,
            "type": message.type,
            "content": await retry_until_available("previews", lambda: self._previews.find(message)),
            "createdAt": instant_of_ms(message.created_at_ms),
            "reason": reason,
        }
        told = event(EventType.PUSH_UNDELIVERED, message.conversation_id, data, message.seq)
        # Its id is made from its time and data: a request that is redelivered must not make another event.
        told.at_ms = message.created_at_ms
        await retry_until_available("webhook events", lambda: self._write(told))

    async def _write(self, told: WebhookEvent) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._outbox.write(connection, [told])
