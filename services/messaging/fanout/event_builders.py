"""Builds the events that a cycle sends from the stores' results."""

from typing import Final

import msgspec

from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.user_events import NOBODY, AnnouncedMessage, Count
from services.messaging.stores.blocks import BlockSet
from services.messaging.stores.message_rows import sender_of
from services.messaging.stores.messages import NO_MEDIA, Appended
from services.messaging.stores.receipts import Mark, Marked
from services.messaging.stores.system_messages import SystemAppended
from services.messaging.typing_indicators.indicators import Indicator
from shared.protocol import keys
from shared.protocol.codec import instant, json_encoder
from shared.protocol.payloads import (
    BlockAddedPayload,
    BlockRemovedPayload,
    Message,
    MessageDeliveredUpdatePayload,
    MessageNewPayload,
    MessageReadAckPayload,
    MessageReadUpdatePayload,
    MessageSentPayload,
    Unread,
)
from shared.protocol.relay import MarkRead, SendMessage
from shared.protocol.server import (
    BlockAdded,
    BlockRemoved,
    MessageDeleted,
    MessageDeliveredUpdate,
    MessageNew,
    MessageReadAck,
    MessageReadUpdate,
    MessageSent,
)

_BEFORE_BRACE: Final = -1
_BEFORE_TOTAL: Final = -len("0}}}")
"""Where fan-out cuts an event to continue it: before its last brace, or before its unread total (which is 0 until then)."""


def open_event(event: msgspec.Struct) -> bytes:
    """Return the event's JSON without its last brace."""
    return json_encoder.encode(event)[:_BEFORE_BRACE]


def counted_event(event: MessageNew | MessageReadAck | MessageDeleted) -> bytes:
    """Return the JSON of an event up to its unread total, which is its last field."""
    return json_encoder.encode(event)[:_BEFORE_TOTAL]


def message_of(send: SendMessage, appended: Appended) -> Message:
    """Return a message that was just appended, without its sender."""
    media = appended.media or send.media
    return Message(
        id=appended.message_id,
        conversation_id=send.conversation_id,
        seq=appended.seq,
        sender_id=send.user_id,
        type=send.type,  # type: ignore[arg-type]
        content=send.content,
        media=NO_MEDIA if media is None else msgspec.Raw(media.encode()),
        is_read=False,
        read_at=None,
        delivered_at=None,
        created_at=instant(appended.created_at),
        metadata=msgspec.UNSET if send.metadata is None else msgspec.Raw(send.metadata.encode()),
    )


def add_message_sent(effects: CycleEffects, send: SendMessage, message: Message, version: int) -> None:
    """Add `message.sent` for the sender. `version`: the conversation's when the message was read."""
    text = open_event(MessageSent(MessageSentPayload(send.temp_id, message)))
    effects.events_for(send.user_id).add(text, NOBODY, version)


def add_message_new(
    effects: CycleEffects, send: SendMessage, appended: Appended, message: Message, unread: int
) -> None:
    """Add `message.new` for the receiver, who now has `unread` messages in the conversation."""
    sender_id, receiver_id, conversation_id = send.user_id, appended.receiver_id, send.conversation_id
    new = MessageNew(MessageNewPayload(with_sender(message, appended), Unread(unread, 0)))
    count = Count(conversation_id, unread, appended.version)
    announces = AnnouncedMessage(send, appended) if message.deleted_at is msgspec.UNSET else None
    effects.events_for(receiver_id).add_counted(counted_event(new), sender_id, count, announces)
    indicator = Indicator(conversation_id, sender_id, receiver_id)
    partition = effects.partition_of(receiver_id)
    partition.typing[indicator.key(partition.key)] = indicator
    effects.partition_of(conversation_id).add_message(message, appended)


def with_sender(message: Message, appended: Appended) -> Message:
    """Return the message with its sender's profile. A sender whose name is unknown is named by the id."""
    sender_id = message.sender_id or ""
    sender = sender_of(sender_id, appended.username, appended.display_name, appended.avatar)
    return msgspec.structs.replace(message, sender=sender)


def add_read_ack(effects: CycleEffects, read: MarkRead, marked: Marked) -> None:
    """Add `message.read_ack` for every device of the reader."""
    payload = MessageReadAckPayload(
        read.conversation_id, instant(marked.read_at), marked.read_seq, Unread(marked.unread, 0)
    )
    count = Count(read.conversation_id, marked.unread, marked.version)
    effects.events_for(read.user_id).add_counted(counted_event(MessageReadAck(payload)), NOBODY, count)


def add_mark_updates(effects: CycleEffects, mark: Mark, marked: Marked, acknowledged: int) -> None:
    """Add `message.delivered_update` and `message.read_update` for the other participant, where a mark moved.

    Reading implies delivery. Delivery is announced only when a device acknowledged it. `acknowledged`: the seq up to which an
    active client has just reported delivery, or 0. An inactive client's report doesn't stop a push.
    """
    conversation_id, user_id = mark.conversation_id, mark.user_id
    partition = effects.partition_of(user_id)
    needs_no_push = min(max(marked.read_seq, acknowledged), marked.delivered_seq)
    partition.progress += (partition.key(keys.PROGRESS, user_id), conversation_id, needs_no_push)
    if marked.shows_delivered and mark.delivered_to is not None:
        at = instant(marked.delivered_at)
        delivered = MessageDeliveredUpdatePayload(conversation_id, user_id, marked.delivered_seq, at)
        effects.events_for(marked.other_id).add(open_event(MessageDeliveredUpdate(delivered)), user_id)
    if marked.shows_read:
        read = MessageReadUpdatePayload(conversation_id, user_id, instant(marked.read_at), marked.read_seq)
        effects.events_for(marked.other_id).add(open_event(MessageReadUpdate(read)), user_id)


def block_event(block: BlockSet, username: str) -> BlockAdded | BlockRemoved:
    """Return `block.added` or `block.removed`, for the user who blocked or unblocked."""
    at = instant(block.at)
    if block.active:
        return BlockAdded(BlockAddedPayload(username, at))
    return BlockRemoved(BlockRemovedPayload(username, at))


def add_system_message(effects: CycleEffects, send: SendMessage, message: Message, stored: SystemAppended) -> None:
    """Add `message.new` for both participants, each with their own unread counts. It has no sender, so no block hides it."""
    for user_id, unread in ((stored.user_low, stored.unread_low), (stored.user_high, stored.unread_high)):
        new = MessageNew(MessageNewPayload(message, Unread(unread, 0)))
        appended = Appended(
            stored.message_id,
            stored.verdict,
            stored.seq,
            stored.created_at,
            user_id,
            unread,
            stored.version,
            blocked=False,
            lively=stored.lively,
            username=None,
            display_name=None,
            avatar=None,
        )
        count = Count(send.conversation_id, unread, stored.version)
        announces = AnnouncedMessage(send, appended) if message.deleted_at is msgspec.UNSET else None
        effects.events_for(user_id).add_counted(counted_event(new), NOBODY, count, announces)
        effects.partition_of(send.conversation_id).add_message(message, appended)
