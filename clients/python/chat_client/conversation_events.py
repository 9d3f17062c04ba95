"""Events of `chat.v1` about conversations and profiles, and their payloads."""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class ConversationUpdatedPayload(TypedDict):
    """The current conversation, in the same shape as in REST."""

    conversation: dict[str, Any]


class ConversationUpdated(TypedDict):
    """This user's own settings of a conversation changed, or a message unarchived it."""

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
    """A user's current profile."""

    userId: str
    username: str
    displayName: str
    avatar: str | None


class UserUpdated(TypedDict):
    """A friend, a partner of a recent conversation, or this user on another device, changed its profile."""

    type: Literal["user.updated"]
    payload: UserUpdatedPayload
