"""Events about messages: sent, new, delivered, read, edited, deleted, reacted to."""

import msgspec

from shared.protocol.payloads import (
    MessageDeletedPayload,
    MessageDeliveredUpdatePayload,
    MessageNewPayload,
    MessageReadAckPayload,
    MessageReadUpdatePayload,
    MessageSentPayload,
    MessageUpdatedPayload,
    ReactionUpdatedPayload,
)


class MessageSent(msgspec.Struct, tag="message.sent", tag_field="type", frozen=True):
    """The message is committed. To every connection of its sender.

    Example: `{"type": "message.sent", "payload": {"tempId": "temp-123",
    "message": {"id": "0190a1b2-0000-7000-8000-00000000a001",
    "conversationId": "0190a1b2-0000-7000-8000-00000000c001", "seq": 7,
    "senderId": "550e8400-e29b-41d4-a716-446655440000", "type": "text", "content": "Hello there!", "media": [],
    "isRead": false, "readAt": null, "deliveredAt": null, "createdAt": "2024-01-01T11:00:00.000Z"}},
    "cursor": "1704103200000002-77"}`
    """

    payload: MessageSentPayload


class MessageNew(msgspec.Struct, tag="message.new", tag_field="type", frozen=True):
    """A message from the other participant.

    Example: `{"type": "message.new", "payload": {"message": {"id": "0190a1b2-0000-7000-8000-00000000a001",
    "conversationId": "0190a1b2-0000-7000-8000-00000000c001", "seq": 7,
    "senderId": "550e8400-e29b-41d4-a716-446655440000", "type": "text", "content": "Hello there!", "media": [],
    "isRead": false, "readAt": null, "deliveredAt": null, "createdAt": "2024-01-01T11:00:00.000Z",
    "sender": {"id": "550e8400-e29b-41d4-a716-446655440000", "username": "somchai", "displayName": "สมชาย มีสุข",
    "avatar": null}}, "unread": {"conversation": 2, "total": 5}}, "cursor": "1704103200000003-77"}`
    """

    payload: MessageNewPayload


class MessageDeliveredUpdate(msgspec.Struct, tag="message.delivered_update", tag_field="type", frozen=True):
    """Delivery receipt, to the sender.

    Example: `{"type": "message.delivered_update",
    "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "deliveredTo": "550e8400-e29b-41d4-a716-446655440000", "seq": 7, "deliveredAt": "2024-01-01T11:00:00.000Z"},
    "cursor": "1704103200000004-77"}`
    """

    payload: MessageDeliveredUpdatePayload


class MessageReadAck(msgspec.Struct, tag="message.read_ack", tag_field="type", frozen=True):
    """Reading was stored. To every connection of the reader.

    Example: `{"type": "message.read_ack", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "readAt": "2024-01-01T11:00:00.000Z", "seq": 7, "unread": {"conversation": 0, "total": 3}},
    "cursor": "1704103200000005-77"}`
    """

    payload: MessageReadAckPayload


class MessageReadUpdate(msgspec.Struct, tag="message.read_update", tag_field="type", frozen=True):
    """Read receipt, to the sender.

    Example: `{"type": "message.read_update", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "readBy": "550e8400-e29b-41d4-a716-446655440000", "readAt": "2024-01-01T11:00:00.000Z", "seq": 7},
    "cursor": "1704103200000006-77"}`
    """

    payload: MessageReadUpdatePayload


class MessageUpdated(msgspec.Struct, tag="message.updated", tag_field="type", frozen=True):
    """A message was edited. To all connections of both participants.

    Example: `{"type": "message.updated", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "content": "Hello, everybody!", "editedAt": "2024-01-01T11:01:00.000Z", "tempId": "edit-1"},
    "cursor": "1704103200000007-77"}`
    """

    payload: MessageUpdatedPayload


class MessageDeleted(msgspec.Struct, tag="message.deleted", tag_field="type", frozen=True):
    """A message was deleted for everybody. To all connections of both participants.

    Example: `{"type": "message.deleted", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "deletedAt": "2024-01-01T11:02:00.000Z", "unread": {"conversation": 0, "total": 3}},
    "cursor": "1704103200000008-77"}`
    """

    payload: MessageDeletedPayload


class ReactionUpdated(msgspec.Struct, tag="reaction.updated", tag_field="type", frozen=True):
    """A user reacted to a message, or removed a reaction. To all connections of both participants.

    Example: `{"type": "reaction.updated", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "userId": "550e8400-e29b-41d4-a716-446655440000", "emoji": "👍", "active": true,
    "at": "2024-01-01T11:03:00.000Z"}, "cursor": "1704103200000009-77"}`
    """

    payload: ReactionUpdatedPayload
