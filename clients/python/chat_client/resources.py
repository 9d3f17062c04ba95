"""What a call of REST takes and answers, where no event has the same shape.

Keys are in camelCase as on the wire, times RFC 3339 text, ids UUID text. Servers may add fields: they are kept, and should be
ignored.
"""

from typing import Any, Generic, Literal, TypeVar

from typing_extensions import NotRequired, TypedDict

from chat_client.wire import UserStatus

MessageType = Literal["text", "image", "video", "audio", "file", "custom"]
Availability = Literal["online", "away", "busy"]

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


class MoreContent(TypedDict, total=False):
    """The optional content of a message besides its text. `reply_to`: the seq of the message that it answers."""

    media: list[Media] | None
    reply_to: int | None
    metadata: dict[str, Any] | None


class Reservation(TypedDict):
    """Where to send the bytes of an upload."""

    uploadId: str
    method: str
    url: str
    headers: dict[str, str]
    expiresAt: str


class Page(TypedDict, Generic[T]):
    """A page of a list. `nextPage` is None on the last one."""

    items: list[T]
    nextPage: str | None


class ConversationQuery(TypedDict, total=False):
    """Which conversations to list. Without `archived`, archived ones are left out; `unread` includes those marked as unread."""

    archived: bool
    unread: bool
    pinned: bool


class ConversationChanges(TypedDict, total=False):
    """What to change of the user's own settings of a conversation. `mutedUntil` None ends the mute."""

    mutedUntil: str | None
    archived: bool
    pinned: bool
    markedUnread: bool


class UnreadCounts(TypedDict):
    """Unread messages of the caller: in all conversations, and by conversation id."""

    total: int
    conversations: dict[str, int]


class Block(TypedDict):
    """A user whom the caller blocks."""

    username: str
    blockedAt: str


class Report(TypedDict):
    """A stored report of messages."""

    id: str
    conversationId: str
    seqs: list[int]
    reason: str
    comment: str | None
    state: str
    createdAt: str


class Follow(TypedDict):
    """How the caller and a user follow each other. `isFriend`: both do."""

    userId: str
    username: str
    following: bool
    isFriend: bool
    followedAt: str | None


class Friend(UserStatus):
    """A mutual follow, with status."""

    username: str
    displayName: str  # noqa: N815
    avatar: str | None


QuietHours = TypedDict("QuietHours", {"timeZone": str, "from": str, "to": str})
"""When no notifications are shown: HH:MM of local time. `timeZone` is an IANA name."""


class PushSettings(TypedDict):
    """`preview`: whether notifications show the text. Nothing is shown until `mutedUntil`, and in quiet hours."""

    preview: bool
    quietHours: QuietHours | None
    mutedUntil: str | None


class PushChanges(TypedDict, total=False):
    """What to change of `PushSettings`. None ends quiet hours, or the mute."""

    preview: bool
    quietHours: QuietHours | None
    mutedUntil: str | None


class Settings(TypedDict):
    """The user's settings."""

    push: PushSettings


PushSubscription = dict[str, Any]
"""A browser's `PushSubscription.toJSON()` (W3C Push API, section 8)."""


class PushDevice(TypedDict):
    """A native app. `app`: which of the operator's apps it is, when there are several."""

    platform: Literal["fcm", "apns"]
    token: str
    app: NotRequired[str]
