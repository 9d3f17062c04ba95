"""Conversations as their participants see them, for REST answers and events: with profiles, marks, settings and last message."""

from collections.abc import Sequence
from typing import Final

from services.messaging.stores.conversations import Conversation, Conversations
from services.messaging.stores.messages import Messages
from shared.protocol import conversations as protocol
from shared.protocol.codec import instant
from shared.protocol.payloads import Message

MESSAGES_AT_ONCE: Final = 25
"""Last messages read by one statement: with the largest message they are below 1 MiB."""


class ConversationViews:
    """Reads conversations with their last messages. Every method raises what asyncpg raises."""

    def __init__(self, conversations: Conversations, messages: Messages) -> None:
        self._conversations = conversations
        self._messages = messages

    async def find(self, user_id: str, conversation_id: str) -> protocol.Conversation | None:
        """The conversation, or None when there is none or the user has no part in it."""
        return next(iter(await self.of(user_id, [conversation_id])), None)

    async def of(self, user_id: str, conversation_ids: Sequence[str]) -> list[protocol.Conversation]:
        """These conversations, in order, without those that are not the user's."""
        found = await self._conversations.of(user_id, conversation_ids)
        last: dict[str, Message] = {}
        places = [(user_id, c.conversation_id, c.last_seq) for c in found if c.last_seq > c.cleared_seq]
        for first in range(0, len(places), MESSAGES_AT_ONCE):
            messages = await self._messages.at(places[first : first + MESSAGES_AT_ONCE])
            last |= {message.conversation_id: message for message in messages}
        return [view_of(conversation, last.get(conversation.conversation_id)) for conversation in found]


def view_of(conversation: Conversation, last: Message | None) -> protocol.Conversation:
    """A conversation of the store, with its last message, as it travels."""
    return protocol.Conversation(
        id=conversation.conversation_id,
        participants=[
            protocol.Participant(
                profile.user_id,
                profile.username,
                profile.display_name,
                profile.avatar,
                marks.read_seq,
                marks.delivered_seq,
            )
            for profile, marks in zip(conversation.participants, conversation.marks, strict=True)
        ],
        last_message=last,
        last_seq=conversation.last_seq,
        unread=conversation.unread,
        updated_at=instant(conversation.updated_at),
        me=protocol.OwnState(
            muted_until=None if conversation.muted_until is None else instant(conversation.muted_until),
            archived=conversation.archived,
            pinned=conversation.pinned,
            marked_unread=conversation.marked_unread,
            cleared_seq=conversation.cleared_seq,
            read_seq=conversation.read_seq,
        ),
    )
