"""Events that the server sends: one struct for each type; their payloads stand in `payloads`.

Durable events (`DURABLE`) carry a top-level `cursor` when they reach a client; it is appended where the event gets its
place in the receiver's inbox, so the structs don't hold it.
"""

from typing import Any, Final

import msgspec

from shared.protocol.conversations import ConversationClearedPayload, ConversationUpdatedPayload, UserUpdatedPayload
from shared.protocol.payloads import (
    AuthPayload,
    BlockAddedPayload,
    BlockRemovedPayload,
    ConnectionSuccessPayload,
    MessageDeletedPayload,
    MessageDeliveredUpdatePayload,
    MessageNewPayload,
    MessageReadAckPayload,
    MessageReadUpdatePayload,
    MessageSentPayload,
    MessageUpdatedPayload,
    PongPayload,
    ReactionUpdatedPayload,
    StatusBulkPayload,
    TypingPayload,
    UserDeletedPayload,
    UserStatus,
)


class ConnectionSuccess(msgspec.Struct, tag="connection.success", tag_field="type", frozen=True):
    """First event of a connection.

    Example: `{"type": "connection.success", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "connectedAt": "2024-01-01T10:00:00.000Z", "connectionId": "0190a1b2-0000-7000-8000-00000000d001",
    "recovered": null, "cursor": "1704103200000001-77", "heartbeatSeconds": 54, "maxMessageBytes": 524288,
    "expiresAt": "2024-01-01T11:00:00.000Z", "features": ["message.edit"]}}`
    """

    payload: ConnectionSuccessPayload


class StatusBulk(msgspec.Struct, tag="status.bulk", tag_field="type", frozen=True):
    """All friends' statuses, after connecting.

    Example: `{"type": "status.bulk", "payload": {"users": [{"userId": "550e8400-e29b-41d4-a716-446655440000",
    "isOnline": true, "status": "online", "lastSeen": "2024-01-01T10:00:00.000Z"}]}}`
    """

    payload: StatusBulkPayload


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


class UserDeleted(msgspec.Struct, tag="user.deleted", tag_field="type", frozen=True):
    """A partner was erased: their messages are deleted, and nobody can write to them. To the other participant.

    Example: `{"type": "user.deleted", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "conversationId": "0190a1b2-0000-7000-8000-00000000c001"}, "cursor": "1704103200000010-77"}`
    """

    payload: UserDeletedPayload


class ReactionUpdated(msgspec.Struct, tag="reaction.updated", tag_field="type", frozen=True):
    """A user reacted to a message, or took a reaction back. To all connections of both participants.

    Example: `{"type": "reaction.updated", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "userId": "550e8400-e29b-41d4-a716-446655440000", "emoji": "👍", "active": true,
    "at": "2024-01-01T11:03:00.000Z"}, "cursor": "1704103200000009-77"}`
    """

    payload: ReactionUpdatedPayload


class UserOnline(msgspec.Struct, tag="user.online", tag_field="type", frozen=True):
    """A friend came online.

    Example: `{"type": "user.online", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "isOnline": true, "status": "online", "lastSeen": "2024-01-01T11:00:00.000Z"}}`
    """

    payload: UserStatus


class UserOffline(msgspec.Struct, tag="user.offline", tag_field="type", frozen=True):
    """A friend went offline.

    Example: `{"type": "user.offline", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "isOnline": false, "status": "offline", "lastSeen": "2024-01-01T11:30:00.000Z"}}`
    """

    payload: UserStatus


class UserStatusChanged(msgspec.Struct, tag="user.status", tag_field="type", frozen=True):
    """A friend, or the user itself on another device, set a status.

    Example: `{"type": "user.status", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "isOnline": true, "status": "busy", "lastSeen": "2024-01-01T11:30:00.000Z"}}`
    """

    payload: UserStatus


class TypingStarted(msgspec.Struct, tag="typing.start", tag_field="type", frozen=True):
    """The other participant types; it ends by itself after `expiresInMs`.

    Example: `{"type": "typing.start", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "userId": "550e8400-e29b-41d4-a716-446655440000", "expiresInMs": 3000}}`
    """

    payload: TypingPayload


class TypingStopped(msgspec.Struct, tag="typing.stop", tag_field="type", frozen=True):
    """The other participant no longer types.

    Example: `{"type": "typing.stop", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "userId": "550e8400-e29b-41d4-a716-446655440000"}}`
    """

    payload: TypingPayload


class Pong(msgspec.Struct, tag="pong", tag_field="type", frozen=True):
    """Answer to `ping`.

    Example: `{"type": "pong", "payload": {"timestamp": 1704067200, "echo": 1704067199}}`
    """

    payload: PongPayload


class BlockAdded(msgspec.Struct, tag="block.added", tag_field="type", frozen=True):
    """The user is blocked.

    Example: `{"type": "block.added", "payload": {"username": "spammer123",
    "blockedAt": "2024-01-01T11:00:00.000Z"}}`
    """

    payload: BlockAddedPayload


class BlockRemoved(msgspec.Struct, tag="block.removed", tag_field="type", frozen=True):
    """The user is no longer blocked.

    Example: `{"type": "block.removed", "payload": {"username": "spammer123",
    "unblockedAt": "2024-01-01T11:00:00.000Z"}}`
    """

    payload: BlockRemovedPayload


class AuthExpiring(msgspec.Struct, tag="auth.expiring", tag_field="type", frozen=True):
    """The token ends soon: send `auth.refresh`, or the connection is closed with 4401.

    Example: `{"type": "auth.expiring", "payload": {"expiresAt": "2024-01-01T11:00:00.000Z"}}`
    """

    payload: AuthPayload


class AuthRefreshed(msgspec.Struct, tag="auth.refreshed", tag_field="type", frozen=True):
    """The new token counts.

    Example: `{"type": "auth.refreshed", "payload": {"expiresAt": "2024-01-01T12:00:00.000Z"}}`
    """

    payload: AuthPayload


class ConversationUpdated(msgspec.Struct, tag="conversation.updated", tag_field="type", frozen=True):
    """The user's own settings of a conversation changed, or it left the archive. To all connections of the user.

    Example: `{"type": "conversation.updated", "payload": {"conversation": {
    "id": "0190a1b2-0000-7000-8000-00000000c001", "participants": [{"id": "550e8400-e29b-41d4-a716-446655440000",
    "username": "somchai", "displayName": "สมชาย มีสุข", "avatar": null, "readSeq": 6, "deliveredSeq": 7}],
    "lastMessage": null, "lastSeq": 7, "unread": 0, "updatedAt": "2024-01-01T11:00:00.000Z",
    "me": {"mutedUntil": null, "archived": true, "pinned": false, "markedUnread": false, "clearedSeq": 0, "readSeq": 7},
    "firstSeq": 1}}, "cursor": "1704103200000007-77"}`
    """

    payload: ConversationUpdatedPayload


class ConversationCleared(msgspec.Struct, tag="conversation.cleared", tag_field="type", frozen=True):
    """The user deleted a conversation for itself. To all connections of the user.

    Example: `{"type": "conversation.cleared", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "clearedSeq": 7}, "cursor": "1704103200000008-77"}`
    """

    payload: ConversationClearedPayload


class UserUpdated(msgspec.Struct, tag="user.updated", tag_field="type", frozen=True):
    """A friend, a partner of a recently active conversation, or the user itself on another device, changed its profile.

    Example: `{"type": "user.updated", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "username": "somchai", "displayName": "สมชาย มีสุข", "avatar": null}}`
    """

    payload: UserUpdatedPayload


DURABLE: Final[tuple[type[msgspec.Struct], ...]] = (
    MessageSent,
    MessageNew,
    MessageDeliveredUpdate,
    MessageReadAck,
    MessageReadUpdate,
    ConversationUpdated,
    ConversationCleared,
    MessageUpdated,
    MessageDeleted,
    ReactionUpdated,
    UserDeleted,
)
"""Events with a cursor: kept in the inbox, replayed to a client that reconnects."""

TRANSIENT: Final[tuple[type[msgspec.Struct], ...]] = (
    ConnectionSuccess,
    StatusBulk,
    UserOnline,
    UserOffline,
    UserStatusChanged,
    TypingStarted,
    TypingStopped,
    Pong,
    BlockAdded,
    BlockRemoved,
    AuthExpiring,
    AuthRefreshed,
    UserUpdated,
)
"""Events that are never replayed."""


def event_type(event: type[msgspec.Struct]) -> str:
    """The `type` that an event's struct stands for."""
    return str(event.__struct_config__.tag)


EVENTS: Final[dict[str, Any]] = {event_type(event): event for event in (*DURABLE, *TRANSIENT)}
"""event type → its struct."""
