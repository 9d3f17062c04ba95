"""Events about conversations and profiles, and their payloads, as `chat.v1` has them."""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class ConversationUpdatedPayload(TypedDict):
    """The conversation as it now stands, as over REST."""

    conversation: dict[str, Any]


class ConversationUpdated(TypedDict):
    """This user's own settings of a conversation changed, or it left the archive."""

    type: Literal["conversation.updated"]
    payload: ConversationUpdatedPayload
    cursor: NotRequired[str]


class ConversationClearedPayload(TypedDict):
    """Everything up to `clearedSeq` is hidden from this user."""

    conversationId: str
    clearedSeq: int


class ConversationCleared(TypedDict):
    """This user deleted a conversation for itself, on any device."""

    type: Literal["conversation.cleared"]
    payload: ConversationClearedPayload
    cursor: NotRequired[str]


class UserUpdatedPayload(TypedDict):
    """A user's profile as it now stands."""

    userId: str
    username: str
    displayName: str
    avatar: str | None


class UserUpdated(TypedDict):
    """A friend, a partner of a recent conversation, or this user on another device, changed its profile."""

    type: Literal["user.updated"]
    payload: UserUpdatedPayload
