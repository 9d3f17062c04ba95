"""A user's conversations, messages and blocks in PostgreSQL, for erasure and export. Every method raises what asyncpg raises."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.messaging.stores.sql import BLOCKS_OF_USER, REVISIONS_OF_USER
from services.messaging.stores.webhook_events import user_deleted
from shared.postgres import Pool
from shared.uploads import claims
from shared.webhooks import Outbox

FIRST: Final = "00000000-0000-0000-0000-000000000000"
"""Before every id."""
_NEXT: Final = """
    SELECT id::text, user_low::text, user_high::text, last_seq, created_at, first_seq FROM messaging.conversations
    WHERE (user_low = $1::uuid OR user_high = $1::uuid) AND id > $2::uuid ORDER BY id LIMIT 1
"""
_ONE: Final = """
    SELECT id::text, user_low::text, user_high::text, last_seq, created_at, first_seq
    FROM messaging.conversations WHERE id = $1::uuid
"""
_SETTINGS: Final = """
    SELECT CASE WHEN user_low = $2::uuid THEN muted_low_until ELSE muted_high_until END,
           CASE WHEN user_low = $2::uuid THEN archived_low ELSE archived_high END,
           CASE WHEN user_low = $2::uuid THEN pinned_low ELSE pinned_high END,
           CASE WHEN user_low = $2::uuid THEN marked_low ELSE marked_high END,
           CASE WHEN user_low = $2::uuid THEN cleared_low ELSE cleared_high END
    FROM messaging.conversations WHERE id = $1::uuid
"""
_OWN: Final = """
    SELECT seq FROM messaging.messages
    WHERE conversation_id = $1::uuid AND sender_id = $2::uuid AND deleted_at IS NULL ORDER BY seq LIMIT $3
"""
_LAST_DELETED: Final = """
    SELECT seq FROM messaging.messages
    WHERE conversation_id = $1::uuid AND sender_id = $2::uuid AND deleted_at = (
        SELECT max(deleted_at) FROM messaging.messages WHERE conversation_id = $1::uuid AND sender_id = $2::uuid
    )
    ORDER BY seq LIMIT $3
"""
_CLOSE: Final = """
    UPDATE messaging.conversations SET
        erased = true,
        muted_low_until = CASE WHEN user_low = $2::uuid THEN NULL ELSE muted_low_until END,
        muted_high_until = CASE WHEN user_high = $2::uuid THEN NULL ELSE muted_high_until END,
        archived_low = archived_low AND user_low <> $2::uuid,
        archived_high = archived_high AND user_high <> $2::uuid,
        pinned_low = pinned_low AND user_low <> $2::uuid,
        pinned_high = pinned_high AND user_high <> $2::uuid,
        marked_low = marked_low AND user_low <> $2::uuid,
        marked_high = marked_high AND user_high <> $2::uuid,
        hidden_low = hidden_low OR user_low = $2::uuid,
        hidden_high = hidden_high OR user_high = $2::uuid,
        cleared_low = CASE WHEN user_low = $2::uuid THEN last_seq ELSE cleared_low END,
        cleared_high = CASE WHEN user_high = $2::uuid THEN last_seq ELSE cleared_high END,
        unread_low = CASE WHEN user_low = $2::uuid THEN 0 ELSE unread_low END,
        unread_high = CASE WHEN user_high = $2::uuid THEN 0 ELSE unread_high END,
        version = version + 1
    WHERE id = $1::uuid
"""
_REACTIONS: Final = """
    SELECT seq, emoji, at FROM messaging.reactions
    WHERE conversation_id = $1::uuid AND seq BETWEEN $2 AND $3 AND user_id = $4::uuid AND active ORDER BY seq, at
"""
_REPORTS: Final = """
    SELECT id::text, conversation_id::text, reason, comment, state, created_at FROM messaging.reports
    WHERE reporter_id = $1::uuid AND id > $2::uuid ORDER BY id LIMIT $3
"""
_FORGET: Final = (
    "DELETE FROM messaging.blocks WHERE blocker = $1::uuid OR blocked = $1::uuid",
    "DELETE FROM messaging.reactions r USING messaging.conversations c "
    "WHERE r.conversation_id = c.id AND $1::uuid IN (c.user_low, c.user_high) AND r.user_id = $1::uuid",
    "UPDATE messaging.reports SET comment = NULL, reason = '' WHERE reporter_id = $1::uuid",
    """UPDATE messaging.reports r SET messages = (
        SELECT jsonb_agg(CASE WHEN m->>'senderId' = $1::uuid::text
            THEN (m - ARRAY['sender', 'metadata', 'replyTo', 'reactions']) || '{"content": null, "media": []}'::jsonb
            WHEN m->'replyTo'->>'senderId' = $1::uuid::text
            THEN m || jsonb_build_object('replyTo', jsonb_build_object('seq', m->'replyTo'->'seq')) ELSE m END)
        FROM jsonb_array_elements(r.messages) m)
    FROM messaging.conversations c
    WHERE r.conversation_id = c.id AND $1::uuid IN (c.user_low, c.user_high)""",
)


class UserConversation(NamedTuple):
    """A conversation of the user."""

    conversation_id: str
    user_low: str
    user_high: str
    last_seq: int
    created_at: datetime
    first_seq: int

    def other(self, user_id: str) -> str:
        """The other participant."""
        return self.user_high if user_id == self.user_low else self.user_low


class OwnSettings(NamedTuple):
    """What the user set of a conversation."""

    muted_until: datetime | None
    archived: bool
    pinned: bool
    marked_unread: bool
    cleared_seq: int


class UserRevision(NamedTuple):
    """An earlier text of one of the user's messages, and when it was replaced."""

    conversation_id: str
    seq: int
    key: str
    content: str | None
    replaced_at: datetime

    @property
    def position(self) -> str:
        """Return its position among the user's revisions."""
        return f"{self.conversation_id}/{self.seq}/{self.key}"


class UserBlock(NamedTuple):
    """A block by or of the user, in force or lifted."""

    blocker: str
    blocked: str
    active: bool
    changed_at: datetime

    @property
    def position(self) -> str:
        """Return its position among the user's blocks."""
        return f"{self.blocker}/{self.blocked}"


class UserReaction(NamedTuple):
    """A current reaction of the user."""

    seq: int
    emoji: str
    at: datetime


class UserReport(NamedTuple):
    """A report by the user."""

    report_id: str
    conversation_id: str
    reason: str
    comment: str | None
    state: str
    created_at: datetime


class UserUpload(NamedTuple):
    """An upload of the user."""

    upload_id: str
    conversation_id: str
    state: str
    name: str
    mime_type: str
    size: int
    reserved_at: datetime


class UserData:
    """The tables of messaging, by user."""

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def conversation_after(self, user_id: str, conversation_id: str) -> UserConversation | None:
        """Return the user's next conversation in the order of ids; after '', the first one."""
        row = await self._pool.fetchrow(_NEXT, user_id, conversation_id or FIRST)
        return None if row is None else UserConversation(*row)

    async def conversation(self, conversation_id: str) -> UserConversation | None:
        """One conversation."""
        row = await self._pool.fetchrow(_ONE, conversation_id)
        return None if row is None else UserConversation(*row)

    async def settings(self, user_id: str, conversation_id: str) -> OwnSettings:
        """Return the user's settings of an existing conversation."""
        (row,) = await self._pool.fetch(_SETTINGS, conversation_id, user_id)
        return OwnSettings(*row)

    async def revisions(self, user_id: str, after: str, most: int) -> list[UserRevision]:
        """Return the next earlier texts of the user's messages, after the one whose `position` is `after`."""
        conversation_id, seq, key = (after or f"{FIRST}/0/").split("/", 2)
        rows = await self._pool.fetch(REVISIONS_OF_USER, user_id, conversation_id, int(seq), key, most)
        return [UserRevision(*row) for row in rows]

    async def own_messages(self, user_id: str, conversation_id: str, most: int) -> Sequence[int]:
        """Return the seqs of the user's messages that are not deleted, oldest first."""
        return [row["seq"] for row in await self._pool.fetch(_OWN, conversation_id, user_id, most)]

    async def last_deleted(self, user_id: str, conversation_id: str, most: int) -> Sequence[int]:
        """Return the seqs of the user's messages that the last deletion removed: a step deletes all of its messages at once."""
        return [row["seq"] for row in await self._pool.fetch(_LAST_DELETED, conversation_id, user_id, most)]

    async def close(self, user_id: str, conversation_id: str) -> None:
        """Close a conversation: nobody can send to the user there, and the user's settings are deleted."""
        await self._pool.execute(_CLOSE, conversation_id, user_id)

    async def blocks(self, user_id: str, after: str, most: int) -> list[UserBlock]:
        """Return the next blocks by and of the user, after the one whose `position` is `after`."""
        blocker, _, blocked = (after or f"{FIRST}/{FIRST}").partition("/")
        return [UserBlock(*row) for row in await self._pool.fetch(BLOCKS_OF_USER, user_id, blocker, blocked, most)]

    async def reactions(self, user_id: str, conversation_id: str, first: int, last: int) -> list[UserReaction]:
        """Return the user's reactions to messages from `first` to `last`."""
        return [UserReaction(*row) for row in await self._pool.fetch(_REACTIONS, conversation_id, first, last, user_id)]

    async def reports(self, user_id: str, after: str, most: int) -> list[UserReport]:
        """Return the user's next reports, in the order of their ids."""
        return [UserReport(*row) for row in await self._pool.fetch(_REPORTS, user_id, after or FIRST, most)]

    async def uploads(self, user_id: str, after: str, most: int) -> list[UserUpload]:
        """Return the user's next uploads, in the order of their ids."""
        return [UserUpload(*row) for row in await claims.of_user(self._pool, user_id, after or FIRST, most)]

    async def forget(self, user_id: str) -> None:
        """Delete the rest (blocks, reactions, the user's texts in reports, uploads), and tell webhooks."""
        async with self._pool.acquire() as connection, connection.transaction():
            for statement in _FORGET:
                await connection.execute(statement, user_id)
            await claims.release_of_user(connection, user_id)
            if self._outbox.enabled:
                await self._outbox.write(connection, [user_deleted(user_id)])
