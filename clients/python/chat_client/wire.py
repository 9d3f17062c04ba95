"""The shapes of `chat.v1` that the server sends, generated from its declarations by `make docs`.

Ids are UUIDs in their hyphenated form, times RFC 3339 UTC with milliseconds. Servers may add fields: they are kept, and should be
ignored. After a gap the client makes events of messages that it read by REST: these have no `cursor`, and no `unread`.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class Attachment(TypedDict):
    """One attachment of a stored message: an upload (with `uploadId`), or an external URL as its sender gave it.

    Sizes are those of what is served, in pixels and bytes. `url` and `thumbnail` of an upload are signed for 7 days.
    """

    type: Literal["audio", "file", "image", "video"]
    url: NotRequired[str | None]
    thumbnail: NotRequired[str | None]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    size: NotRequired[int | None]
    name: NotRequired[str | None]
    uploadId: NotRequired[str | None]
    mimeType: NotRequired[str | None]
    durationMs: NotRequired[int | None]
    blurhash: NotRequired[str | None]


class Sender(TypedDict):
    """Who sent a message."""

    id: str
    username: str
    displayName: str
    avatar: str | None


class ReplyTo(TypedDict):
    """The quoted message as it was when the reply was sent, its text cut to 100 characters.

    Of a deleted message, only `seq` and `deletedAt` are left. `senderId` is null for a system message.
    """

    seq: int
    senderId: NotRequired[str | None]
    type: NotRequired[Literal["audio", "custom", "file", "image", "text", "video"] | Literal["system"]]
    content: NotRequired[str | None]
    deletedAt: NotRequired[str]


class Reaction(TypedDict):
    """An emoji on a message, and the users who reacted with it, in the order of their reactions."""

    emoji: str
    userIds: list[str]


class Message(TypedDict):
    """A stored message.

    `seq` is 1, 2, 3 … in its conversation, without gaps, in commit order. `senderId` is null only in messages of type
    `system`, which have no `sender`. The fields after `sender` are left out where they have no value. A message with
    `deletedAt` has no content, media, metadata, reply, edit time and reactions any more. `reactions` are in the order of
    each emoji's first use.
    """

    id: str
    conversationId: str
    seq: int
    senderId: str | None
    type: Literal["audio", "custom", "file", "image", "text", "video"] | Literal["system"]
    content: str | None
    media: list[Attachment]
    isRead: bool
    readAt: str | None
    deliveredAt: str | None
    createdAt: str
    sender: NotRequired[Sender]
    replyTo: NotRequired[ReplyTo]
    metadata: NotRequired[dict[str, Any]]
    editedAt: NotRequired[str]
    deletedAt: NotRequired[str]
    reactions: NotRequired[list[Reaction]]


class MessageSentPayload(TypedDict):
    """The sender's `tempId` (null when none was sent) and the message as stored."""

    tempId: str | None
    message: Message


class MessageSent(TypedDict):
    """The message is committed. To every connection of its sender."""

    type: Literal["message.sent"]
    payload: MessageSentPayload
    cursor: NotRequired[str]


class Unread(TypedDict):
    """Unread messages of the receiver: in this conversation, and in all.

    `total` is the last field, because fan-out fills it in.
    """

    conversation: int
    total: int


class MessageNewPayload(TypedDict):
    """A message for its receiver, with the sender's profile."""

    message: Message
    unread: NotRequired[Unread]


class MessageNew(TypedDict):
    """A message from the other participant."""

    type: Literal["message.new"]
    payload: MessageNewPayload
    cursor: NotRequired[str]


class MessageDeliveredUpdatePayload(TypedDict):
    """A device of `deliveredTo` has received everything up to `seq`."""

    conversationId: str
    deliveredTo: str
    seq: int
    deliveredAt: str


class MessageDeliveredUpdate(TypedDict):
    """Delivery receipt, to the sender."""

    type: Literal["message.delivered_update"]
    payload: MessageDeliveredUpdatePayload
    cursor: NotRequired[str]


class MessageReadAckPayload(TypedDict):
    """Sent to the reader's own devices: everything up to `seq` is read."""

    conversationId: str
    readAt: str
    seq: int
    unread: Unread


class MessageReadAck(TypedDict):
    """Reading was stored. To every connection of the reader."""

    type: Literal["message.read_ack"]
    payload: MessageReadAckPayload
    cursor: NotRequired[str]


class MessageReadUpdatePayload(TypedDict):
    """`readBy` has read everything up to `seq`."""

    conversationId: str
    readBy: str
    readAt: str
    seq: int


class MessageReadUpdate(TypedDict):
    """Read receipt, to the sender."""

    type: Literal["message.read_update"]
    payload: MessageReadUpdatePayload
    cursor: NotRequired[str]


class Participant(TypedDict):
    """A participant, and the seqs up to which it has read, and its devices have received, everything. 0: nothing yet."""

    id: str
    username: str
    displayName: str
    avatar: str | None
    readSeq: int
    deliveredSeq: int


class OwnState(TypedDict):
    """The requesting user's own settings and state.

    `mutedUntil` is null without a mute. Messages up to `clearedSeq` are hidden.
    """

    mutedUntil: str | None
    archived: bool
    pinned: bool
    markedUnread: bool
    clearedSeq: int
    readSeq: int


class Conversation(TypedDict):
    """A direct conversation as the requesting user sees it.

    `lastMessage` is null when there is none, or when it is hidden. Messages before `firstSeq` are expired
    (`CHAT_RETENTION_DAYS`). It is 1 when none is, and `lastSeq` + 1 when all are.
    """

    id: str
    participants: list[Participant]
    lastMessage: Message | None
    lastSeq: int
    unread: int
    updatedAt: str
    me: OwnState
    firstSeq: NotRequired[int]


class ConversationUpdatedPayload(TypedDict):
    """The current state of the conversation."""

    conversation: Conversation


class ConversationUpdated(TypedDict):
    """The user's own settings of a conversation changed, or a message unarchived it. To all connections of the user."""

    type: Literal["conversation.updated"]
    payload: ConversationUpdatedPayload
    cursor: NotRequired[str]


class ConversationClearedPayload(TypedDict):
    """The user deleted the conversation for itself: everything up to `clearedSeq` is hidden."""

    conversationId: str
    clearedSeq: int


class ConversationCleared(TypedDict):
    """The user deleted a conversation for itself. To all connections of the user."""

    type: Literal["conversation.cleared"]
    payload: ConversationClearedPayload
    cursor: NotRequired[str]


class MessageUpdatedPayload(TypedDict):
    """The current content.

    `editedAt` is null when an edit changed nothing on a message that was never edited. `tempId` is that of the edit, only
    for connections of the user who made it.
    """

    conversationId: str
    seq: int
    content: str | None
    editedAt: str | None
    tempId: NotRequired[str]


class MessageUpdated(TypedDict):
    """A message was edited. To all connections of both participants."""

    type: Literal["message.updated"]
    payload: MessageUpdatedPayload
    cursor: NotRequired[str]


class MessageDeletedPayload(TypedDict):
    """The message is deleted for everybody.

    `unread` is only for the receiver, when the counts changed. It is the last field, because fan-out fills in its total.
    """

    conversationId: str
    seq: int
    deletedAt: str
    tempId: NotRequired[str]
    unread: NotRequired[Unread]


class MessageDeleted(TypedDict):
    """A message was deleted for everybody. To all connections of both participants."""

    type: Literal["message.deleted"]
    payload: MessageDeletedPayload
    cursor: NotRequired[str]


class ReactionUpdatedPayload(TypedDict):
    """A user reacted to a message (`active`), or removed the reaction."""

    conversationId: str
    seq: int
    userId: str
    emoji: str
    active: bool
    at: str
    tempId: NotRequired[str]


class ReactionUpdated(TypedDict):
    """A user reacted to a message, or removed a reaction. To all connections of both participants."""

    type: Literal["reaction.updated"]
    payload: ReactionUpdatedPayload
    cursor: NotRequired[str]


class UserDeletedPayload(TypedDict):
    """The user with whom the receiver had this conversation was erased."""

    userId: str
    conversationId: str


class UserDeleted(TypedDict):
    """A partner was erased: their messages are deleted, and nobody can write to them. To the other participant."""

    type: Literal["user.deleted"]
    payload: UserDeletedPayload
    cursor: NotRequired[str]


class ConnectionSuccessPayload(TypedDict):
    """The first data about a connection.

    `heartbeatSeconds`: the server's ping period. `features`: names of the features that this deployment offers beyond the
    core.
    """

    userId: str
    connectedAt: str
    connectionId: str
    recovered: bool | None
    cursor: NotRequired[str]
    heartbeatSeconds: float
    maxMessageBytes: int
    expiresAt: str
    features: list[str]


class ConnectionSuccess(TypedDict):
    """First event of a connection."""

    type: Literal["connection.success"]
    payload: ConnectionSuccessPayload


class UserStatus(TypedDict):
    """A friend's status. `lastSeen` is null for a user who was never seen."""

    userId: str
    isOnline: bool
    status: Literal["away", "busy", "offline", "online"]
    lastSeen: str | None


class StatusBulkPayload(TypedDict):
    """Friends with their status, at most 500 in one event."""

    users: list[UserStatus]


class StatusBulk(TypedDict):
    """All friends' statuses, after connecting."""

    type: Literal["status.bulk"]
    payload: StatusBulkPayload


class UserOnline(TypedDict):
    """A friend came online."""

    type: Literal["user.online"]
    payload: UserStatus


class UserOffline(TypedDict):
    """A friend went offline."""

    type: Literal["user.offline"]
    payload: UserStatus


class UserStatusChanged(TypedDict):
    """A friend, or the user itself on another device, set a status."""

    type: Literal["user.status"]
    payload: UserStatus


class TypingPayload(TypedDict):
    """Who types where. Only `typing.start` has `expiresInMs`."""

    conversationId: str
    userId: str
    expiresInMs: NotRequired[int]


class TypingStarted(TypedDict):
    """The other participant types. It ends by itself after `expiresInMs`."""

    type: Literal["typing.start"]
    payload: TypingPayload


class TypingStopped(TypedDict):
    """The other participant no longer types."""

    type: Literal["typing.stop"]
    payload: TypingPayload


class PongPayload(TypedDict):
    """`timestamp` is the server's, in Unix seconds; `echo` is the client's."""

    timestamp: int
    echo: float | int | str | None


class Pong(TypedDict):
    """Answer to `ping`."""

    type: Literal["pong"]
    payload: PongPayload


class BlockAddedPayload(TypedDict):
    """The user is blocked since `blockedAt`, the time of the first block, however often it was repeated."""

    username: str
    blockedAt: str


class BlockAdded(TypedDict):
    """The user is blocked."""

    type: Literal["block.added"]
    payload: BlockAddedPayload


class BlockRemovedPayload(TypedDict):
    """The user is no longer blocked."""

    username: str
    unblockedAt: str


class BlockRemoved(TypedDict):
    """The user is no longer blocked."""

    type: Literal["block.removed"]
    payload: BlockRemovedPayload


class AuthPayload(TypedDict):
    """When the connection's token expires."""

    expiresAt: str


class AuthExpiring(TypedDict):
    """The token expires soon: send `auth.refresh`, or the connection is closed with 4401."""

    type: Literal["auth.expiring"]
    payload: AuthPayload


class AuthRefreshed(TypedDict):
    """The new token is in use."""

    type: Literal["auth.refreshed"]
    payload: AuthPayload


class UserUpdatedPayload(TypedDict):
    """A user's current profile."""

    userId: str
    username: str
    displayName: str
    avatar: str | None


class UserUpdated(TypedDict):
    """A friend, a partner of a recently active conversation, or the user itself on another device, changed its profile."""

    type: Literal["user.updated"]
    payload: UserUpdatedPayload


ErrorCode = Literal[
    "blocked",
    "conversation_not_found",
    "duplicate_temp_id",
    "forbidden",
    "internal_error",
    "message_not_found",
    "not_allowed",
    "not_found",
    "rate_limit_exceeded",
    "send_failed",
    "unauthorized",
    "unavailable",
    "unknown_event",
    "upload_not_found",
    "upload_not_ready",
    "user_not_found",
    "validation_error",
]
"""The value of `error.code`, the same for WebSocket and REST."""


class ErrorDetail(TypedDict):
    """Code, human-readable message, and what to do. `retry_after` is in seconds."""

    code: ErrorCode
    message: str
    retryable: bool
    retryAfter: NotRequired[float]


class ErrorReference(TypedDict):
    """The request that failed: its event type, and the ids by which the client knows it."""

    type: str
    tempId: NotRequired[str | None]
    conversationId: NotRequired[str | None]


class ErrorEvent(TypedDict):
    """An error over either transport."""

    type: Literal["error"]
    error: ErrorDetail
    ref: NotRequired[ErrorReference]


ServerEvent = (
    MessageSent
    | MessageNew
    | MessageDeliveredUpdate
    | MessageReadAck
    | MessageReadUpdate
    | ConversationUpdated
    | ConversationCleared
    | MessageUpdated
    | MessageDeleted
    | ReactionUpdated
    | UserDeleted
    | ConnectionSuccess
    | StatusBulk
    | UserOnline
    | UserOffline
    | UserStatusChanged
    | TypingStarted
    | TypingStopped
    | Pong
    | BlockAdded
    | BlockRemoved
    | AuthExpiring
    | AuthRefreshed
    | UserUpdated
    | ErrorEvent
)
"""Any event of the server. A `type` that this version does not know is possible, too."""
