"""Bodies of the server API's requests and responses. The names are those of the protocol."""

# ruff: noqa: N815 - camel case is the contract's

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.protocol import limits
from shared.rest import PageQuery
from shared.rest.bodies import WHOLE, RequestBody
from shared.rest.formats import AvatarUrl, DisplayName, IdText, InstantText, Username, UuidText
from shared.rest.profiles import ProfileBody


class UserBody(RequestBody):
    """A user as the platform has it."""

    username: Username
    displayName: DisplayName | None = None
    avatar: AvatarUrl | None = None


class FollowBody(RequestBody):
    """A follow to store (`follows` true) or to delete (false)."""

    follower: UuidText
    followee: UuidText
    follows: bool


class FollowsResult(BaseModel):
    """How many changes were applied, which is all of them."""

    applied: int


class NewConversation(RequestBody):
    """The two users of a direct conversation."""

    userIds: list[UuidText] = Field(min_length=2, max_length=2)


class ConversationParticipant(ProfileBody):
    """A participant, and the seqs up to which it has read, and its devices have received, everything. 0: nothing yet."""

    readSeq: int
    deliveredSeq: int


class ConversationBody(BaseModel):
    """A direct conversation. Messages before `firstSeq` are expired."""

    id: IdText
    participants: list[ConversationParticipant]
    lastSeq: int
    updatedAt: InstantText
    firstSeq: int = 1


class NewMessage(RequestBody):
    """A message to send as a user, or, without a sender, as the system; the other fields are those of `message.send`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"senderId": None, "type": "system", "content": "Your order is on its way", "tempId": "order-17"}
        }
    )

    senderId: UuidText | None
    type: str = Field(max_length=16, description="`system` exactly when `senderId` is null.")
    content: str | None = None
    media: list[dict[str, Any]] | None = Field(None, max_length=limits.MAX_MEDIA)
    metadata: dict[str, Any] | None = None
    replyTo: Annotated[int, WHOLE] | None = None
    tempId: str | None = Field(
        None, description="Makes a repetition harmless. The header `Idempotency-Key` does the same without it."
    )


class MessageBody(BaseModel):
    """A stored message. `senderId` is null for system messages."""

    model_config = ConfigDict(extra="allow")

    id: IdText
    conversationId: IdText
    seq: int
    senderId: IdText | None
    type: str
    content: str | None
    createdAt: InstantText


class HistoryQuery(PageQuery):
    """Which messages: after `afterSeq`, before `beforeSeq`, or the newest. The next page continues in the same direction."""

    afterSeq: int | None = Field(None, ge=0, le=limits.MAX_SAFE_INTEGER)
    beforeSeq: int | None = Field(None, ge=1, le=limits.MAX_SAFE_INTEGER)
