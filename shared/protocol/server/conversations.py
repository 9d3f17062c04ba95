"""Events about a user's conversations: settings, and typing."""

import msgspec

from shared.protocol.conversations import ConversationClearedPayload, ConversationUpdatedPayload
from shared.protocol.payloads import TypingPayload


class ConversationUpdated(msgspec.Struct, tag="conversation.updated", tag_field="type", frozen=True):
    """The user's own settings of a conversation changed, or a message unarchived it. To all connections of the user.

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


class TypingStarted(msgspec.Struct, tag="typing.start", tag_field="type", frozen=True):
    """The other participant types. It ends by itself after `expiresInMs`.

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
