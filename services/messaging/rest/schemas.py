"""Bodies of messaging's REST requests and responses. The names are those of the protocol."""

# ruff: noqa: N815 - camel case is the contract's

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from services.messaging.stores.conversations import SettingsChange
from shared.protocol import limits
from shared.protocol.text import username_key
from shared.rest import PageQuery
from shared.rest.bodies import RequestBody
from shared.rest.formats import AvatarUrl, DisplayName, IdText, InstantOrNull, InstantText, UuidText
from shared.rest.profiles import ProfileBody

NO_NUL = r"^[^\x00]*$"


class MediaBody(BaseModel):
    """An attachment."""

    model_config = ConfigDict(extra="allow")

    url: str
    type: str


class ReplyBody(BaseModel):
    """The quoted message as it was when the reply was sent. Of a deleted message, only `seq` and `deletedAt`."""

    seq: int
    senderId: IdText | None = None
    type: str | None = None
    content: str | None = None
    deletedAt: InstantText | None = None


class ReactionBody(BaseModel):
    """An emoji, and the users who reacted with it, in the order of their reactions."""

    emoji: str
    userIds: list[str]


class MessageBody(BaseModel):
    """A message, as in `message.new`. The fields after `createdAt` are left out where they have no value."""

    id: IdText
    conversationId: IdText
    seq: int
    senderId: IdText | None
    sender: ProfileBody | None = None
    type: str
    content: str | None
    media: list[MediaBody]
    isRead: bool
    readAt: InstantText | None
    deliveredAt: InstantText | None
    createdAt: InstantText
    replyTo: ReplyBody | None = None
    metadata: dict[str, Any] | None = None
    editedAt: InstantText | None = None
    deletedAt: InstantText | None = None
    reactions: list[ReactionBody] | None = None


class ConversationParticipant(ProfileBody):
    """A participant, and the seqs up to which it has read, and its devices have received, everything. 0: nothing yet."""

    readSeq: int
    deliveredSeq: int


class OwnState(BaseModel):
    """The requesting user's own settings and state. Messages up to `clearedSeq` are hidden."""

    mutedUntil: InstantText | None
    archived: bool
    pinned: bool
    markedUnread: bool
    clearedSeq: int
    readSeq: int


class ConversationBody(BaseModel):
    """A direct conversation as the requesting user sees it. Messages before `firstSeq` are expired."""

    id: IdText
    participants: list[ConversationParticipant]
    lastMessage: MessageBody | None
    lastSeq: int
    unread: int
    updatedAt: InstantText
    me: OwnState
    firstSeq: int


class ListQuery(PageQuery):
    """Which conversations. Without `archived`, archived ones are left out. `unread` includes those that are marked as unread."""

    archived: bool = False
    unread: bool | None = None
    pinned: bool | None = None


class ConversationChange(RequestBody):
    """Settings to change; those that are left out stay. `mutedUntil` of null ends a mute."""

    # A field that is misspelt must not look as if it had been changed.
    model_config = ConfigDict(extra="forbid")

    mutedUntil: InstantOrNull = None
    archived: bool | None = None
    pinned: bool | None = None
    markedUnread: bool | None = None

    @model_validator(mode="after")
    def _flags_are_true_or_false(self) -> Self:
        for name in self.model_fields_set - {"mutedUntil"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} is true or false")
        return self

    @property
    def settings(self) -> SettingsChange:
        """Return the change for the store."""
        mute = "mutedUntil" in self.model_fields_set
        return SettingsChange(mute, self.mutedUntil, self.archived, self.pinned, self.markedUnread)


class HistoryQuery(PageQuery):
    """Which messages: after, before or around a seq, or the newest. The next page goes on in the same direction."""

    afterSeq: int | None = Field(None, ge=0, le=limits.MAX_SAFE_INTEGER)
    beforeSeq: int | None = Field(None, ge=1, le=limits.MAX_SAFE_INTEGER)
    aroundSeq: int | None = Field(None, ge=1, le=limits.MAX_SAFE_INTEGER)


class NewConversation(RequestBody):
    """The other user, by name or by id."""

    username: str | None = Field(None, min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS, pattern=NO_NUL)
    userId: UuidText | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.username is None) == (self.userId is None):
            raise ValueError("give username or userId, and not both")
        return self


class UnreadBody(BaseModel):
    """Unread messages: in all conversations, and in each of the 1,000 newest that have any."""

    total: int
    conversations: dict[str, int]


class BlockBody(BaseModel):
    """A user whom the requesting user blocks."""

    username: str
    blockedAt: InstantText


class UserQuery(BaseModel):
    """Whom to find: the user with this name, or users whose names begin with a text."""

    username: str | None = Field(None, min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS)
    prefix: str | None = Field(None, max_length=limits.MAX_USERNAME_CHARACTERS)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.username is None) == (self.prefix is None):
            raise ValueError("give username or prefix, and not both")
        if self.prefix is not None and len(username_key(self.prefix)) < limits.MIN_USERNAME_PREFIX:
            raise ValueError(f"prefix: at least {limits.MIN_USERNAME_PREFIX} characters")
        return self


class ProfileChange(RequestBody):
    """Fields to change; those that are left out stay. `avatar` of null removes it; the display name can't be removed."""

    # A field that is misspelt must not look as if it had been changed.
    model_config = ConfigDict(extra="forbid")

    displayName: DisplayName | None = None
    avatar: AvatarUrl | None = None

    @model_validator(mode="after")
    def _keeps_a_name(self) -> Self:
        if "displayName" in self.model_fields_set and self.displayName is None:
            raise ValueError("displayName can't be removed; give another one")
        return self
