"""Payloads of the events that the server sends."""

from typing import Any, Final, Literal

import msgspec

from shared.protocol.client import MediaType, MessageType
from shared.protocol.codec import Instant, Uuid

Status = Literal["online", "away", "busy", "offline"]
SYSTEM_MESSAGE: Final = "system"
"""The type of messages without a sender. Clients must not use it."""
_UPLOAD_MARK: Final = '"uploadId":'
"""It occurs in a JSON text exactly when an object in it has this field, because inside a JSON string quotes are escaped."""


class Sender(msgspec.Struct, rename="camel", frozen=True):
    """Who sent a message.

    Example: `{"id": "0190a1b2-0000-7000-8000-00000000c001", "username": "somchai", "displayName": "สมชาย",
    "avatar": null}`
    """

    id: Uuid
    username: str
    display_name: str
    avatar: str | None


class Attachment(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """One attachment of a stored message: an upload (with `uploadId`), or an external URL as its sender gave it.

    Sizes are those of what is served, in pixels and bytes. `url` and `thumbnail` of an upload are signed for 7 days.

    Example: `{"uploadId": "0190a1b2-0000-7000-8000-00000000e001",
    "url": "https://chat.example/chat/media/0190a1b2-0000-7000-8000-00000000e001/file?expires=1704708000&signature=qL8R",
    "thumbnail": "https://chat.example/chat/media/0190a1b2-0000-7000-8000-00000000e001/thumbnail?expires=1704708000&signature=x0Fs",
    "type": "image", "mimeType": "image/jpeg", "width": 1920, "height": 1080, "size": 1024000, "name": "beach.jpg",
    "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj"}`
    """

    type: MediaType
    url: str | None = None
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = None
    name: str | None = None
    upload_id: Uuid | None = None
    mime_type: str | None = None
    duration_ms: int | None = None
    blurhash: str | None = None


def has_uploads(media: str | None) -> bool:
    """Return whether the JSON text of a message's attachments names uploads."""
    return media is not None and _UPLOAD_MARK in media


class ReplyTo(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """The quoted message as it was when the reply was sent, its text cut to 100 characters.

    Of a deleted message, only `seq` and `deletedAt` are left. `senderId` is null for a system message.
    """

    seq: int
    sender_id: Uuid | msgspec.UnsetType | None = msgspec.UNSET
    type: MessageType | Literal["system"] | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType | None = msgspec.UNSET
    deleted_at: Instant | msgspec.UnsetType = msgspec.UNSET


class Reaction(msgspec.Struct, rename="camel", frozen=True):
    """An emoji on a message, and the users who reacted with it, in the order of their reactions."""

    emoji: str
    user_ids: list[Uuid]


class Message(msgspec.Struct, rename="camel", frozen=True):
    """A stored message. `seq` is 1, 2, 3 … in its conversation, without gaps, in commit order.

    `senderId` is null only in messages of type `system`, which have no `sender`.

    The fields after `sender` are left out where they have no value. A message with `deletedAt` has no content, media,
    metadata, reply, edit time and reactions any more. `reactions` are in the order of each emoji's first use.
    """

    id: Uuid
    conversation_id: Uuid
    seq: int
    sender_id: Uuid | None
    type: MessageType | Literal["system"]
    content: str | None
    media: list[Attachment] | msgspec.Raw
    is_read: bool
    read_at: Instant | None
    delivered_at: Instant | None
    created_at: Instant
    sender: Sender | msgspec.UnsetType = msgspec.UNSET
    reply_to: ReplyTo | msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    edited_at: Instant | msgspec.UnsetType = msgspec.UNSET
    deleted_at: Instant | msgspec.UnsetType = msgspec.UNSET
    reactions: list[Reaction] | msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Unread(msgspec.Struct, rename="camel", frozen=True):
    """Unread messages of the receiver: in this conversation, and in all.

    `total` is the last field, because fan-out fills it in.
    """

    conversation: int
    total: int


class UserStatus(msgspec.Struct, rename="camel", frozen=True):
    """A friend's status. `lastSeen` is null for a user who was never seen."""

    user_id: Uuid
    is_online: bool
    status: Status
    last_seen: Instant | None


class ConnectionSuccessPayload(msgspec.Struct, rename="camel", frozen=True):
    """The first data about a connection.

    `heartbeatSeconds`: the server's ping period. `features`: names of the features that this deployment offers beyond the core.
    """

    user_id: Uuid
    connected_at: Instant
    connection_id: Uuid
    recovered: bool | None
    cursor: str
    heartbeat_seconds: float
    max_message_bytes: int
    expires_at: Instant
    features: list[str]


class StatusBulkPayload(msgspec.Struct, rename="camel", frozen=True):
    """Friends with their status, at most 500 in one event."""

    users: list[UserStatus]


class MessageSentPayload(msgspec.Struct, rename="camel", frozen=True):
    """The sender's `tempId` (null when none was sent) and the message as stored."""

    temp_id: str | None
    message: Message


class MessageNewPayload(msgspec.Struct, rename="camel", frozen=True):
    """A message for its receiver, with the sender's profile."""

    message: Message
    unread: Unread


class MessageDeliveredUpdatePayload(msgspec.Struct, rename="camel", frozen=True):
    """A device of `deliveredTo` has received everything up to `seq`."""

    conversation_id: Uuid
    delivered_to: Uuid
    seq: int
    delivered_at: Instant


class MessageReadAckPayload(msgspec.Struct, rename="camel", frozen=True):
    """Sent to the reader's own devices: everything up to `seq` is read."""

    conversation_id: Uuid
    read_at: Instant
    seq: int
    unread: Unread


class MessageReadUpdatePayload(msgspec.Struct, rename="camel", frozen=True):
    """`readBy` has read everything up to `seq`."""

    conversation_id: Uuid
    read_by: Uuid
    read_at: Instant
    seq: int


class MessageUpdatedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The current content. `editedAt` is null when an edit changed nothing on a message that was never edited.

    `tempId` is that of the edit, only for connections of the user who made it.
    """

    conversation_id: Uuid
    seq: int
    content: str | None
    edited_at: Instant | None
    temp_id: str | msgspec.UnsetType = msgspec.UNSET


class UserDeletedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The user with whom the receiver had this conversation was erased."""

    user_id: Uuid
    conversation_id: Uuid


class MessageDeletedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The message is deleted for everybody. `unread` is only for the receiver, when the counts changed.

    It is the last field, because fan-out fills in its total.
    """

    conversation_id: Uuid
    seq: int
    deleted_at: Instant
    temp_id: str | msgspec.UnsetType = msgspec.UNSET
    unread: Unread | msgspec.UnsetType = msgspec.UNSET


class ReactionUpdatedPayload(msgspec.Struct, rename="camel", frozen=True):
    """A user reacted to a message (`active`), or removed the reaction."""

    conversation_id: Uuid
    seq: int
    user_id: Uuid
    emoji: str
    active: bool
    at: Instant
    temp_id: str | msgspec.UnsetType = msgspec.UNSET


class TypingPayload(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """Who types where. Only `typing.start` has `expiresInMs`."""

    conversation_id: Uuid
    user_id: Uuid
    expires_in_ms: int | msgspec.UnsetType = msgspec.UNSET


class PongPayload(msgspec.Struct, rename="camel", frozen=True):
    """`timestamp` is the server's, in Unix seconds; `echo` is the client's."""

    timestamp: int
    echo: float | int | str | None


class BlockAddedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The user is blocked since `blockedAt`, the time of the first block, however often it was repeated."""

    username: str
    blocked_at: Instant


class BlockRemovedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The user is no longer blocked."""

    username: str
    unblocked_at: Instant


class AuthPayload(msgspec.Struct, rename="camel", frozen=True):
    """When the connection's token expires."""

    expires_at: Instant
