"""Events for other services: messages that no gateway took (notifier), and changes of blocks (presence)."""

from collections.abc import Iterable, Sequence
from typing import Final

from services.messaging import metrics
from services.messaging.fanout.user_events import AnnouncedMessage
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_EVENTS, NOTIFIER_WAITING, PRESENCE_COMMANDS
from shared.rabbitmq import Publisher

PREVIEW_CHARACTERS: Final = 400
MAX_MESSAGES: Final = 256
"""Messages in one AMQP message."""


def undelivered_of(message: AnnouncedMessage) -> relay.Undelivered:
    """The event for the notifier about one message."""
    send, appended = message
    return relay.Undelivered(
        message_id=appended.message_id,
        conversation_id=send.conversation_id,
        seq=appended.seq,
        sender_id=send.user_id,
        sender_username=appended.username or send.user_id,
        receiver_id=appended.receiver_id,
        type=send.type,
        preview=(send.content or "")[:PREVIEW_CHARACTERS],
        created_at_ms=round(appended.created_at.timestamp() * 1000),
        sender_name=appended.display_name or appended.username or send.user_id,
    )


class OutgoingEvents:
    """Publishes to the notifier, with the push delay, and to presence."""

    def __init__(self, publisher: Publisher, delay_seconds: float) -> None:
        self._publisher = publisher
        self._delay_seconds = delay_seconds

    async def undelivered(self, announced: Sequence[AnnouncedMessage]) -> None:
        """Publish, with confirm. Raises what `Publisher.publish` raises."""
        messages = [undelivered_of(message) for message in announced]
        for start in range(0, len(messages), MAX_MESSAGES):
            body = msgpack_encoder.encode(relay.UndeliveredBatch(messages[start : start + MAX_MESSAGES]))
            await self._publisher.publish(NOTIFIER_WAITING, body, expiration_seconds=self._delay_seconds)
        metrics.UNDELIVERED.inc(len(messages))

    async def blocks(self, changes: Iterable[relay.BlockChanged]) -> None:
        """Publish, with confirm. Raises what `Publisher.publish` raises."""
        await self._publisher.publish(PRESENCE_COMMANDS, msgpack_encoder.encode(relay.PresenceBatch(list(changes))))

    async def muted(self, change: relay.ConversationMuted) -> None:
        """Tell the notifier, with confirm. Raises what `Publisher.publish` raises."""
        await self._publisher.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(relay.NotifierEventBatch([change])))
