"""Events about other users: presence, profiles, blocks, erasure."""

import msgspec

from shared.protocol.conversations import UserUpdatedPayload
from shared.protocol.payloads import (
    BlockAddedPayload,
    BlockRemovedPayload,
    StatusBulkPayload,
    UserDeletedPayload,
    UserStatus,
)


class StatusBulk(msgspec.Struct, tag="status.bulk", tag_field="type", frozen=True):
    """All friends' statuses, after connecting.

    Example: `{"type": "status.bulk", "payload": {"users": [{"userId": "550e8400-e29b-41d4-a716-446655440000",
    "isOnline": true, "status": "online", "lastSeen": "2024-01-01T10:00:00.000Z"}]}}`
    """

    payload: StatusBulkPayload


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


class UserUpdated(msgspec.Struct, tag="user.updated", tag_field="type", frozen=True):
    """A friend, a partner of a recently active conversation, or the user itself on another device, changed its profile.

    Example: `{"type": "user.updated", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "username": "somchai", "displayName": "สมชาย มีสุข", "avatar": null}}`
    """

    payload: UserUpdatedPayload


class UserDeleted(msgspec.Struct, tag="user.deleted", tag_field="type", frozen=True):
    """A partner was erased: their messages are deleted, and nobody can write to them. To the other participant.

    Example: `{"type": "user.deleted", "payload": {"userId": "550e8400-e29b-41d4-a716-446655440000",
    "conversationId": "0190a1b2-0000-7000-8000-00000000c001"}, "cursor": "1704103200000010-77"}`
    """

    payload: UserDeletedPayload


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
