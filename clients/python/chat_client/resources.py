"""Shapes of the service's JSON, unchanged: keys in camelCase, timestamps as RFC 3339 text, ids as UUID text.

Servers may add fields; unknown fields are kept, and should be ignored.
"""

from typing import Any, Generic, Literal, TypeVar

from typing_extensions import NotRequired, TypedDict

MessageType = Literal["text", "image", "video", "audio", "file", "custom"]
Availability = Literal["online", "away", "busy"]
Status = Literal["online", "away", "busy", "offline"]

T = TypeVar("T")


class Media(TypedDict):
    """One attachment at an external URL. Sizes are in pixels and bytes."""

    url: str
    type: Literal["image", "video", "audio", "file"]
    thumbnail: NotRequired[str]
    width: NotRequired[int]
    height: NotRequired[int]
    size: NotRequired[int]
    name: NotRequired[str]


class UploadedMedia(Media):
    """An upload: an entry for a message's `media`. `url` and `thumbnail` are signed for 7 days."""

    uploadId: str
    mimeType: str
    durationMs: NotRequired[int]
    blurhash: NotRequired[str]


class Reservation(TypedDict):
    """Where to send the bytes of an upload."""

    uploadId: str
    method: str
    url: str
    headers: dict[str, str]
    expiresAt: str


class User(TypedDict):
    """A profile."""

    id: str
    username: str
    displayName: str
    avatar: str | None


class Message(TypedDict):
    """A stored message. `seq` is 1, 2, 3 … in its conversation, without gaps, in commit order."""

    id: str
    conversationId: str
    seq: int
    senderId: str
    sender: NotRequired[User]
    type: MessageType
    content: str | None
    media: list[Media]
    isRead: bool
    readAt: str | None
    deliveredAt: str | None
    createdAt: str


class Conversation(TypedDict):
    """A direct conversation. `unread` counts the caller's unread messages; `lastSeq` is 0 without messages.

    Messages before `firstSeq` are expired: the history begins there.
    """

    id: str
    participants: list[User]
    lastMessage: Message | None
    lastSeq: int
    firstSeq: int
    unread: int
    updatedAt: str


class Page(TypedDict, Generic[T]):
    """A page of a list. `nextPage` is None on the last one."""

    items: list[T]
    nextPage: str | None


class Unread(TypedDict):
    """Unread messages of the caller: in all conversations, and by conversation id."""

    total: int
    conversations: dict[str, int]


class Block(TypedDict):
    """A user whom the caller blocks."""

    username: str
    blockedAt: str


class UserStatus(TypedDict):
    """A friend's status. `lastSeen` is None for a user who was never seen."""

    userId: str
    isOnline: bool
    status: Status
    lastSeen: str | None


class Friend(UserStatus):
    """A mutual follow, with status."""

    username: str
    displayName: NotRequired[str]
    avatar: NotRequired[str | None]


PushSubscription = dict[str, Any]
"""A browser's `PushSubscription.toJSON()` (W3C Push API, section 8)."""


class MoreContent(TypedDict, total=False):
    """The optional content of a message besides its text. `reply_to`: the seq of the message that it answers."""

    media: list[Media] | None
    reply_to: int | None
    metadata: dict[str, Any] | None
