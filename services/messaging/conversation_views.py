"""Conversations as their participants see them, for REST answers and events: with profiles, marks, settings and last message."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.messaging.stores.message_rows import NO_RECEIPT, Profile, Receipt, message_of, sender_of
from services.messaging.stores.sql import CONVERSATION_VIEWS
from shared.postgres import Pool
from shared.protocol.codec import instant
from shared.protocol.conversations import Conversation, OwnState, Participant
from shared.protocol.payloads import Message, Sender
from shared.uploads import UploadSigner

AT_ONCE: Final = 50
"""Most conversations in one statement: even with the largest last messages, the result is below 2 MiB."""
_OWN_COLUMNS: Final = 23
"""Columns of the conversation in a row. The last message's columns follow, in the order of `message_of`."""
_OWN_PROFILE: Final = _OWN_COLUMNS - 5
"""The column with the asking user's profile."""


_profile_decoder: Final = msgspec.json.Decoder(Profile)


class ConversationViews:
    """Reads conversations with their last messages. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, signer: UploadSigner | None = None) -> None:
        self._pool = pool
        self._signer = signer

    async def find(self, user_id: str, conversation_id: str) -> Conversation | None:
        """Return the conversation, or None when there is none or the user isn't a participant."""
        return next(iter(await self.of(user_id, [conversation_id])), None)

    async def of(self, user_id: str, conversation_ids: Sequence[str]) -> list[Conversation]:
        """Return these conversations, in order, without those in which the user isn't a participant."""
        views: list[Conversation] = []
        for first in range(0, len(conversation_ids), AT_ONCE):
            rows = await self._pool.fetch(CONVERSATION_VIEWS, user_id, conversation_ids[first : first + AT_ONCE])
            views += self.views(user_id, [tuple(row) for row in rows])
        return views

    def views(self, user_id: str, rows: Sequence[tuple[Any, ...]]) -> list[Conversation]:
        """Return the conversations of rows of `conversation_views.sql`."""
        if not rows:
            return []
        own, now = _own(user_id, rows[0][_OWN_PROFILE]), datetime.now(UTC)
        return [self._view(list(row), own, now) for row in rows]

    def _view(self, columns: list[Any], own: Sender, now: datetime) -> Conversation:
        (
            conversation_id,
            last_seq,
            first_seq,
            updated_at,
            unread,
            muted_until,
            archived,
            pinned,
            marked_unread,
            cleared_seq,
            read_seq,
            delivered_seq,
            *others,
        ) = columns[: _OWN_COLUMNS - 5]
        other_id, username, display_name, avatar = columns[_OWN_COLUMNS - 4 : _OWN_COLUMNS]
        other = sender_of(other_id, username, display_name, avatar)
        other_read_seq, _, other_delivered_seq, *_ = others
        other_read_seq = other_read_seq or 0
        participants = [
            _participant(own, read_seq, delivered_seq),
            _participant(other, other_read_seq, max(other_read_seq, other_delivered_seq or 0)),
        ]
        if own.id > other_id:
            participants.reverse()
        muted = muted_until is not None and muted_until > now
        return Conversation(
            conversation_id,
            participants,
            self._last_message(columns[_OWN_COLUMNS:], conversation_id, own, other, others),
            last_seq,
            unread,
            instant(updated_at),
            OwnState(instant(muted_until) if muted else None, archived, pinned, marked_unread, cleared_seq, read_seq),
            first_seq,
        )

    def _last_message(
        self, columns: list[Any], conversation_id: str, own: Sender, other: Sender, marks: list[Any]
    ) -> Message | None:
        seq, sender_id = columns[0], columns[2]
        if seq is None:
            return None
        read_seq, read_at, delivered_seq, delivered_at, own_read_at, own_delivered_at = marks
        if sender_id != own.id:
            # The message is from the other participant, or from the system, whose messages both participants receive.
            receipt = _receipt(own_read_at, own_delivered_at)
        else:
            receipt = _receipt(read_at if read_seq == seq else None, delivered_at if delivered_seq == seq else None)
        return message_of(columns, conversation_id, {own.id: own, other.id: other}, receipt, self._signer)


def _own(user_id: str, text: str | None) -> Sender:
    """Return the requesting user's profile, from its JSON."""
    return sender_of(user_id, None, None, None) if text is None else _profile_decoder.decode(text).sender()


def _participant(profile: Sender, read_seq: int, delivered_seq: int) -> Participant:
    return Participant(profile.id, profile.username, profile.display_name, profile.avatar, read_seq, delivered_seq)


def _receipt(read_at: datetime | None, delivered_at: datetime | None) -> Receipt:
    if read_at is None and delivered_at is None:
        return NO_RECEIPT
    return Receipt(
        None if read_at is None else instant(read_at), None if delivered_at is None else instant(delivered_at)
    )
