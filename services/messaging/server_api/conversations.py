"""Conversations as the platform sees them: of any two users, with all messages."""

from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from shared.protocol.codec import instant, json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import Messages as MessagePage
from shared.protocol.requests import Opened, ReadMessages


class PlatformConversations:
    """Opens and reads conversations. Every method raises what asyncpg raises."""

    def __init__(self, conversations: Conversations, messages: Messages) -> None:
        self._conversations = conversations
        self._messages = messages

    async def open(self, one: str, other: str) -> Opened:
        """Return the conversation of two different users. It is created when it doesn't exist."""
        conversation_id, created = await self._conversations.create(one, other, by_platform=True)
        found = await self._conversations.find(one, conversation_id)
        assert found is not None
        shown = {
            "id": conversation_id,
            "participants": [
                {
                    "id": each.user_id,
                    "username": each.username,
                    "displayName": each.display_name,
                    "avatar": each.avatar,
                    "readSeq": marks.read_seq,
                    "deliveredSeq": marks.delivered_seq,
                }
                for each, marks in zip(found.participants, found.marks, strict=True)
            ],
            "lastSeq": found.last_seq,
            "updatedAt": instant(found.updated_at),
            "firstSeq": found.first_seq,
        }
        return Opened(json_encoder.encode(shown).decode(), created)

    async def read(self, page: ReadMessages) -> MessagePage:
        """Return a page of the messages. Raises ProtocolError when there is no such conversation."""
        span = await self._conversations.span(page.conversation_id)
        if span is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        viewer, first_seq, last_seq = span.user_low, span.first_seq, span.last_seq
        if page.forward:
            seqs = range(max(first_seq, page.seq + 1), min(last_seq, max(first_seq - 1, page.seq) + page.limit) + 1)
        else:
            end = min(page.seq or last_seq + 1, last_seq + 1)
            seqs = range(max(first_seq, end - page.limit), end)
        found = await self._messages.at([(viewer, page.conversation_id, seq) for seq in seqs])
        return MessagePage([json_encoder.encode(message).decode() for message in found], last_seq, first_seq)
