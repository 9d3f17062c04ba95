"""Events for the application: the server's frames unchanged, and two events of the client itself.

`type` determines an event's shape: after `if event["type"] == "message.new":` a type checker knows the payload.
"""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

from chat_client.conversation_events import ConversationCleared, ConversationUpdated, UserUpdated
from chat_client.resources import Message, UserStatus


class UnreadCounts(TypedDict):
    """Unread messages of the user: in this conversation, and in all."""

    conversation: int
    total: int


class ConnectionSuccessPayload(TypedDict):
    """`recovered`: True when every missed event follows, False when the client must read by REST, None without a cursor."""

    userId: str
    connectedAt: str
    connectionId: str
    recovered: bool | None
    cursor: str
    heartbeatSeconds: float
    maxMessageBytes: int
    expiresAt: str
    features: list[str]


class ConnectionSuccess(TypedDict):
    """The connection is open."""

    type: Literal["connection.success"]
    payload: ConnectionSuccessPayload


class ConnectionLostPayload(TypedDict):
    """`code` is a close code, an HTTP status of a refused handshake, or None when the server wasn't reached."""

    code: int | None
    reason: str
    retryInSeconds: float


class ConnectionLostEvent(TypedDict):
    """Made by the client: the connection broke, and the client will reconnect."""

    type: Literal["connection.lost"]
    payload: ConnectionLostPayload


class MessagesMissingPayload(TypedDict):
    """The messages with `afterSeq` < seq < `beforeSeq`."""

    conversationId: str
    afterSeq: int
    beforeSeq: int


class MessagesMissing(TypedDict):
    """Made by the client: a gap could not be filled by REST. Later messages follow nevertheless."""

    type: Literal["messages.missing"]
    payload: MessagesMissingPayload


class StatusBulkPayload(TypedDict):
    """Friends, at most 500 in one event."""

    users: list[UserStatus]


class StatusBulk(TypedDict):
    """All friends' statuses, after connecting."""

    type: Literal["status.bulk"]
    payload: StatusBulkPayload


class MessageSentPayload(TypedDict):
    """`tempId` is None for a message that was read over REST."""

    tempId: str | None
    message: Message


class MessageSent(TypedDict):
    """A message of this user, sent by any of the user's devices, is stored."""

    type: Literal["message.sent"]
    payload: MessageSentPayload
    cursor: NotRequired[str]


class MessageNewPayload(TypedDict):
    """`unread` is missing for a message that was read over REST."""

    message: Message
    unread: NotRequired[UnreadCounts]


class MessageNew(TypedDict):
    """A message of the other participant."""

    type: Literal["message.new"]
    payload: MessageNewPayload
    cursor: NotRequired[str]


class MessageDeliveredUpdatePayload(TypedDict):
    """A device of `deliveredTo` has everything up to `seq`."""

    conversationId: str
    deliveredTo: str
    seq: int
    deliveredAt: str


class MessageDeliveredUpdate(TypedDict):
    """Delivery receipt."""

    type: Literal["message.delivered_update"]
    payload: MessageDeliveredUpdatePayload
    cursor: NotRequired[str]


class MessageReadAckPayload(TypedDict):
    """Everything up to `seq` is read."""

    conversationId: str
    readAt: str
    seq: int
    unread: UnreadCounts


class MessageReadAck(TypedDict):
    """This user has read messages, on any device."""

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
    """Read receipt."""

    type: Literal["message.read_update"]
    payload: MessageReadUpdatePayload
    cursor: NotRequired[str]


class PresenceChanged(TypedDict):
    """A friend, or this user on another device, changed status."""

    type: Literal["user.online", "user.offline", "user.status"]
    payload: UserStatus


class TypingPayload(TypedDict):
    """Who types where. Only `typing.start` has `expiresInMs`."""

    conversationId: str
    userId: str
    expiresInMs: NotRequired[int]


class TypingChanged(TypedDict):
    """The other participant began or ended to type."""

    type: Literal["typing.start", "typing.stop"]
    payload: TypingPayload


class PongPayload(TypedDict):
    """`timestamp` is the server's, in Unix seconds."""

    timestamp: int
    echo: Any


class Pong(TypedDict):
    """Answer to `ping`."""

    type: Literal["pong"]
    payload: PongPayload


class BlockAddedPayload(TypedDict):
    """The user is blocked since `blockedAt`, the time of the first block."""

    username: str
    blockedAt: str


class BlockAdded(TypedDict):
    """A user is blocked."""

    type: Literal["block.added"]
    payload: BlockAddedPayload


class BlockRemovedPayload(TypedDict):
    """The user is no longer blocked since `unblockedAt`."""

    username: str
    unblockedAt: str


class BlockRemoved(TypedDict):
    """A user is no longer blocked."""

    type: Literal["block.removed"]
    payload: BlockRemovedPayload


class AuthPayload(TypedDict):
    """When the connection's token expires."""

    expiresAt: str


class AuthChanged(TypedDict):
    """The token expires soon (the client renews it by itself), or the new one is in use."""

    type: Literal["auth.expiring", "auth.refreshed"]
    payload: AuthPayload


class ErrorDetail(TypedDict):
    """Code and message of an error, and whether a retry helps, after `retryAfter` seconds."""

    code: str
    message: str
    retryable: bool
    retryAfter: NotRequired[float]


class ErrorReference(TypedDict):
    """Which request failed."""

    type: str
    tempId: NotRequired[str]
    conversationId: NotRequired[str]


class ErrorEvent(TypedDict):
    """The server refused something. Errors of `send`, `block` and `unblock` are raised there as well."""

    type: Literal["error"]
    error: ErrorDetail
    ref: NotRequired[ErrorReference]


Event = (
    ConnectionSuccess
    | ConnectionLostEvent
    | MessagesMissing
    | StatusBulk
    | MessageSent
    | MessageNew
    | MessageDeliveredUpdate
    | MessageReadAck
    | MessageReadUpdate
    | PresenceChanged
    | TypingChanged
    | Pong
    | BlockAdded
    | BlockRemoved
    | AuthChanged
    | ConversationUpdated
    | ConversationCleared
    | UserUpdated
    | ErrorEvent
)
"""Any event. Types that this version doesn't know are passed on unchanged too."""
