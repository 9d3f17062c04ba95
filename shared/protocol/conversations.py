"""A conversation as one of its participants sees it, in REST answers and in events; and profiles of users."""

import msgspec

from shared.protocol.codec import Instant, Uuid
from shared.protocol.payloads import Message


class UserProfile(msgspec.Struct, rename="camel", frozen=True):
    """A user as others see it: an item of `GET /chat/users`."""

    id: Uuid
    username: str
    display_name: str
    avatar: str | None


class Participant(msgspec.Struct, rename="camel", frozen=True):
    """A participant, and the seqs up to which it has read, and its devices have received, everything. 0: nothing yet."""

    id: Uuid
    username: str
    display_name: str
    avatar: str | None
    read_seq: int
    delivered_seq: int


class OwnState(msgspec.Struct, rename="camel", frozen=True):
    """The requesting user's own settings and state.

    `mutedUntil` is null without a mute. Messages up to `clearedSeq` are hidden.
    """

    muted_until: Instant | None
    archived: bool
    pinned: bool
    marked_unread: bool
    cleared_seq: int
    read_seq: int


class Conversation(msgspec.Struct, rename="camel", frozen=True):
    """A direct conversation as the requesting user sees it. `lastMessage` is null when there is none, or when it is hidden.

    Messages before `firstSeq` are expired (`CHAT_RETENTION_DAYS`). It is 1 when none is, and `lastSeq` + 1 when all are.
    """

    id: Uuid
    participants: list[Participant]
    last_message: Message | None
    last_seq: int
    unread: int
    updated_at: Instant
    me: OwnState
    first_seq: int = 1


class ConversationUpdatedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The current state of the conversation."""

    conversation: Conversation


class ConversationClearedPayload(msgspec.Struct, rename="camel", frozen=True):
    """The user deleted the conversation for itself: everything up to `clearedSeq` is hidden."""

    conversation_id: Uuid
    cleared_seq: int


class UserUpdatedPayload(msgspec.Struct, rename="camel", frozen=True):
    """A user's current profile."""

    user_id: Uuid
    username: str
    display_name: str
    avatar: str | None
