"""Direct conversations: one for each pair of users who ever wanted one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg

from services.messaging.stores.pairs import lock, pair_of
from services.messaging.stores.sql import CONVERSATION, CONVERSATIONS, CREATE_CONVERSATION
from services.messaging.stores.webhook_events import conversation_created
from shared.directory import Profile
from shared.postgres import Pool
from shared.webhooks import NO_WEBHOOKS, Outbox


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its participants sees it. `updated_at`: its last message, or when it was made."""

    conversation_id: str
    participants: tuple[Profile, Profile]
    last_seq: int
    unread: int
    updated_at: datetime


class Span(NamedTuple):
    """The participants of a conversation, and its last seq."""

    user_low: str
    user_high: str
    last_seq: int


_SPAN: Final = "SELECT user_low::text, user_high::text, last_seq FROM messaging.conversations WHERE id = $1::uuid"


class Conversations:
    """The conversations of all users."""

    def __init__(self, pool: Pool, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox

    async def create(self, user_id: str, other_id: str) -> tuple[str, bool]:
        """The id of the conversation of two different users, and whether it was made now. Raises what asyncpg raises."""
        pair = pair_of(user_id, other_id)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, pair)
            created = await connection.fetchval(CREATE_CONVERSATION, pair.conversation_id, *pair)
            if created is not None and self._outbox.enabled:
                made = conversation_created(pair.conversation_id, (user_id, other_id), datetime.now(UTC))
                await self._outbox.write(connection, [made])
        return pair.conversation_id, created is not None

    async def find(self, user_id: str, conversation_id: str) -> Conversation | None:
        """The conversation, or None when there is none or the user has no part in it."""
        row = await self._pool.fetchrow(CONVERSATION, user_id, conversation_id)
        return None if row is None else _conversation(row)

    async def span(self, conversation_id: str) -> Span | None:
        """Whose conversation it is and how far it goes; None when there is none."""
        row = await self._pool.fetchrow(_SPAN, conversation_id)
        return None if row is None else Span(*row)

    async def newest(self, user_id: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Conversation]:
        """At most `limit` of the user's conversations, newest first, from behind the position (updated_at, id)."""
        rows = await self._pool.fetch(CONVERSATIONS, user_id, limit, *(after or (None, None)))
        return [_conversation(row) for row in rows]


_COLUMNS_OF_PROFILE: Final = 4


def _conversation(row: asyncpg.Record) -> Conversation:
    conversation_id, last_seq, unread, updated_at, *profiles = row
    return Conversation(
        conversation_id,
        (_profile(*profiles[:_COLUMNS_OF_PROFILE]), _profile(*profiles[_COLUMNS_OF_PROFILE:])),
        last_seq,
        unread,
        updated_at,
    )


def _profile(user_id: str, username: str | None, display_name: str | None, avatar: str | None) -> Profile:
    return Profile(user_id, username or user_id, display_name or user_id, avatar)
