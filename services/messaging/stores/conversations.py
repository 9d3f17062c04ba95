"""Direct conversations: at most one for each pair of users, with the settings of each side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg

from services.messaging.stores.pairs import lock, pair_of
from services.messaging.stores.sql import (
    CLEAR,
    CONVERSATION_SETTINGS,
    CONVERSATIONS,
    CREATE_CONVERSATION,
    PINNED,
    SHOW_EMPTY,
)
from services.messaging.stores.webhook_events import conversation_created
from shared.directory import Profile
from shared.postgres import Pool
from shared.webhooks import NO_WEBHOOKS, Outbox

MAX_PINNED: Final = 20


class Marks(NamedTuple):
    """The seqs up to which a participant has read, and its devices have received, everything."""

    read_seq: int
    delivered_seq: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its participants sees it. `updated_at`: the time of its last message, or of its creation.

    `participants` are in the order of their ids, and `marks` in the same order. The fields after `updated_at` are the user's own:
    messages up to `cleared_seq` are hidden from the user. Messages before `first_seq` are expired, for both.
    """

    conversation_id: str
    participants: tuple[Profile, Profile]
    marks: tuple[Marks, Marks]
    last_seq: int
    unread: int
    updated_at: datetime
    muted_until: datetime | None
    archived: bool
    pinned: bool
    marked_unread: bool
    cleared_seq: int
    read_seq: int
    first_seq: int

    @property
    def begins_behind(self) -> int:
        """Return the seq after which the user's history begins. Messages up to it were cleared or are expired."""
        return max(self.cleared_seq, self.first_seq - 1)


class SettingsChange(NamedTuple):
    """Changes of a user's settings; None leaves a setting as it is. `muted_until` is used when `mute` is true."""

    mute: bool = False
    muted_until: datetime | None = None
    archived: bool | None = None
    pinned: bool | None = None
    marked_unread: bool | None = None


class Cleared(NamedTuple):
    """Messages up to `seq` are hidden. `version`: of the unread count, which is 0."""

    seq: int
    version: int


class TooManyPinned(ValueError):
    """The user has pinned `MAX_PINNED` conversations already."""


class Span(NamedTuple):
    """The participants of a conversation, its last seq, and the first one that is not expired."""

    user_low: str
    user_high: str
    last_seq: int
    first_seq: int


_REVIVE: Final = "UPDATE messaging.conversations SET erased = false WHERE id = $1::uuid AND erased"
_SPAN: Final = (
    "SELECT user_low::text, user_high::text, last_seq, first_seq FROM messaging.conversations WHERE id = $1::uuid"
)


class Conversations:
    """The conversations of all users. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox

    async def create(self, user_id: str, other_id: str, *, by_platform: bool = False) -> tuple[str, bool]:
        """Return the id of the conversation of two different users, and whether it is new.

        While it is empty, only `user_id` has it in the list; nobody has it when the platform creates it.
        """
        pair = pair_of(user_id, other_id)
        creator = None if by_platform else user_id
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, pair)
            created = await connection.fetchval(CREATE_CONVERSATION, pair.conversation_id, *pair, creator)
            if created is None:
                # A user who was erased and returned can get messages again.
                await connection.execute(_REVIVE, pair.conversation_id)
            if created is None and creator is not None:
                await connection.execute(SHOW_EMPTY, pair.conversation_id, creator)
            if created is not None and self._outbox.enabled:
                made = conversation_created(pair.conversation_id, (user_id, other_id), datetime.now(UTC))
                await self._outbox.write(connection, [made])
        return pair.conversation_id, created is not None

    async def find(self, user_id: str, conversation_id: str) -> Conversation | None:
        """Return the conversation, or None when there is none or the user isn't a participant."""
        return next(iter(await self.of(user_id, [conversation_id])), None)

    async def of(self, user_id: str, conversation_ids: Sequence[str]) -> list[Conversation]:
        """Return these conversations, in order, without those in which the user isn't a participant."""
        now = datetime.now(UTC)
        return [_conversation(row, now) for row in await self._pool.fetch(CONVERSATIONS, user_id, conversation_ids)]

    async def exists(self, user_id: str, other_id: str) -> bool:
        """Return True when the two have a conversation already."""
        return await self.find(user_id, pair_of(user_id, other_id).conversation_id) is not None

    async def span(self, conversation_id: str) -> Span | None:
        """Return a conversation's participants and range of seqs; None when there is none."""
        row = await self._pool.fetchrow(_SPAN, conversation_id)
        return None if row is None else Span(*row)

    async def change(self, user_id: str, conversation_id: str, change: SettingsChange) -> int | None:
        """Change the user's settings. Returns the time of the change in Unix ms, or None when the user isn't a participant.

        Raises TooManyPinned.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if change.pinned:
                # When two of the user's devices pin at the same time, the second one sees the first one's pin.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", user_id)
                if await connection.fetchval(PINNED, user_id, conversation_id) >= MAX_PINNED:
                    raise TooManyPinned
            changed_ms: int | None = await connection.fetchval(CONVERSATION_SETTINGS, user_id, conversation_id, *change)
        return changed_ms

    async def clear(self, user_id: str, conversation_id: str) -> Cleared | None:
        """Hide all messages up to now from the user. Returns None when the user isn't a participant."""
        row = await self._pool.fetchrow(CLEAR, user_id, conversation_id)
        return None if row is None else Cleared(*row)


def _conversation(row: asyncpg.Record, now: datetime) -> Conversation:
    muted_until = row["muted_until"]
    own = _profile(row["own_id"], row["own_username"], row["own_display_name"], row["own_avatar"])
    other = _profile(row["other_id"], row["other_username"], row["other_display_name"], row["other_avatar"])
    own_marks = Marks(row["read_seq"], row["delivered_seq"])
    other_marks = Marks(row["other_read_seq"], row["other_delivered_seq"])
    in_order = own.user_id < other.user_id
    return Conversation(
        conversation_id=row["id"],
        participants=(own, other) if in_order else (other, own),
        marks=(own_marks, other_marks) if in_order else (other_marks, own_marks),
        last_seq=row["last_seq"],
        unread=row["unread"],
        updated_at=row["updated_at"],
        muted_until=muted_until if muted_until is not None and muted_until > now else None,
        archived=row["archived"],
        pinned=row["pinned"],
        marked_unread=row["marked_unread"],
        cleared_seq=row["cleared_seq"],
        read_seq=row["read_seq"],
        first_seq=row["first_seq"],
    )


def _profile(user_id: str, username: str | None, display_name: str | None, avatar: str | None) -> Profile:
    return Profile(user_id, username or user_id, display_name or user_id, avatar)
