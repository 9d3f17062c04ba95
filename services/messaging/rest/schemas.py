"""What messaging's REST interface takes and gives. The names are the contract's."""

# ruff: noqa: N815 - camel case is the contract's

from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.messaging.stores.conversations import Conversation
from shared.directory import Profile
from shared.protocol import limits
from shared.protocol.codec import instant
from shared.protocol.payloads import Message
from shared.rest import PageQuery

UuidText = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
NO_NUL = r"^[^\x00]*$"
VISIBLE = r"^[^\x00]*[^\x00\s][^\x00]*$"


class Participant(BaseModel):
    """A user as others see it."""

    id: str
    username: str
    displayName: str
    avatar: str | None

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """From the directory."""
        return cls(
            id=profile.user_id, username=profile.username, displayName=profile.display_name, avatar=profile.avatar
        )


class MediaBody(BaseModel):
    """An attachment."""

    model_config = ConfigDict(extra="allow")

    url: str
    type: str


class ReplyBody(BaseModel):
    """The quoted message as it was when the reply was sent; of a deleted one only `seq` and `deletedAt`."""

    seq: int
    senderId: str | None = None
    type: str | None = None
    content: str | None = None
    deletedAt: str | None = None


class ReactionBody(BaseModel):
    """An emoji, and the users who reacted with it, in the order in which they did."""

    emoji: str
    userIds: list[str]


class MessageBody(BaseModel):
    """A message, as in `message.new`. The fields behind `createdAt` are left out where they say nothing."""

    id: str
    conversationId: str
    seq: int
    senderId: str | None
    sender: Participant | None = None
    type: str
    content: str | None
    media: list[MediaBody]
    isRead: bool
    readAt: str | None
    deliveredAt: str | None
    createdAt: str
    replyTo: ReplyBody | None = None
    metadata: dict[str, Any] | None = None
    editedAt: str | None = None
    deletedAt: str | None = None
    reactions: list[ReactionBody] | None = None

    @classmethod
    def of(cls, message: Message) -> Self:
        """From the store."""
        return cls.model_validate(msgspec.json.decode(msgspec.json.encode(message)))


class ConversationBody(BaseModel):
    """A direct conversation as the asking user sees it."""

    id: str
    participants: list[Participant]
    lastMessage: MessageBody | None
    lastSeq: int
    unread: int
    updatedAt: str

    @classmethod
    def of(cls, conversation: Conversation, last: Message | None) -> Self:
        """From the store, with the newest message."""
        return cls(
            id=conversation.conversation_id,
            participants=[Participant.of(profile) for profile in conversation.participants],
            lastMessage=None if last is None else MessageBody.of(last),
            lastSeq=conversation.last_seq,
            unread=conversation.unread,
            updatedAt=instant(conversation.updated_at),
        )


class HistoryQuery(PageQuery):
    """Which messages: behind `afterSeq`, before `beforeSeq`, or the newest; a page goes on in the same direction."""

    afterSeq: int | None = Field(None, ge=0, le=limits.MAX_SAFE_INTEGER)
    beforeSeq: int | None = Field(None, ge=1, le=limits.MAX_SAFE_INTEGER)


class NewConversation(BaseModel):
    """Whom to talk to: one of the two."""

    username: str | None = Field(None, min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS, pattern=NO_NUL)
    userId: UuidText | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.username is None) == (self.userId is None):
            raise ValueError("give username or userId, and not both")
        return self


class UnreadBody(BaseModel):
    """Unread messages: in all conversations, and in each that has any."""

    total: int
    conversations: dict[str, int]


class BlockBody(BaseModel):
    """A user whom the asking one blocks."""

    username: str
    blockedAt: str


class ProfileChange(BaseModel):
    """What to change; what is left out stays. An avatar of null is none, a display name always is one."""

    displayName: str | None = Field(None, max_length=limits.MAX_DISPLAY_NAME_CHARACTERS, pattern=VISIBLE)
    avatar: str | None = Field(None, max_length=limits.MAX_URL_CHARACTERS, pattern=r"^https://[^\x00\s]+$")

    @model_validator(mode="after")
    def _keeps_a_name(self) -> Self:
        if "displayName" in self.model_fields_set and self.displayName is None:
            raise ValueError("displayName can't be taken away")
        return self
