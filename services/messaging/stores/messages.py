"""Messages in PostgreSQL: appended in batches, read by place."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
import msgspec
from uuid_utils import uuid7

from services.messaging.stores.sql import APPEND, MESSAGES_AT
from shared.postgres import Pool
from shared.protocol.codec import instant
from shared.protocol.payloads import Message, Sender
from shared.protocol.relay import SendMessage

MAX_ATTEMPTS: Final = 64
"""How often a batch is appended again after losing a race for a temp id. Each loss means that somebody else committed."""

NO_MEDIA: Final = msgspec.Raw(b"[]")


class Appended(NamedTuple):
    """The result of appending one message.

    `verdict`: new, repeated, or the error code of a refusal; the fields after it count for the first two.

    `unread` is the receiver's count before the batch, `version` the conversation's after it. `blocked`: a block stands.
    `lively`: the message before the batch is younger than 5 seconds.
    """

    message_id: str
    verdict: str
    seq: int
    created_at: datetime
    receiver_id: str
    unread: int
    version: int
    blocked: bool
    lively: bool
    username: str | None
    display_name: str | None
    avatar: str | None


class Draft(NamedTuple):
    """A message to append, and the key by which its sender's second attempts in this conversation are known."""

    send: SendMessage
    key: str


class Messages:
    """The messages of all conversations."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        """Append `drafts` in one statement, and say of each, in order, what became of it.

        A repeated key gives the seq that its message has. When `drafts` itself repeats one, a second statement follows
        with what was repeated. Raises what asyncpg raises.
        """
        rounds = distinct_rounds(drafts)
        if len(rounds) == 1:
            return await self._append_distinct(drafts)
        results: dict[int, Appended] = {}
        for places in rounds:
            appended = await self._append_distinct([drafts[place] for place in places])
            results.update(zip(places, appended, strict=True))
        return [results[place] for place in range(len(drafts))]

    async def _append_distinct(self, drafts: Sequence[Draft]) -> list[Appended]:
        ids = [str(uuid7()) for _ in drafts]
        columns = zip(
            *[(s.user_id, s.conversation_id, key, s.type, s.content, s.media) for s, key in drafts], strict=True
        )
        given = [ids, *columns]
        for attempt in range(MAX_ATTEMPTS):
            try:
                rows = await self._pool.fetch(APPEND, *given)
                break
            except asyncpg.UniqueViolationError:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
        return [Appended(message_id, *row) for message_id, row in zip(ids, rows, strict=True)]

    async def at(self, places: Sequence[tuple[str, str, int]]) -> list[Message]:
        """The messages at (viewer, conversation, seq), as the viewers may see them; places that are empty are left out."""
        if not places:
            return []
        viewers, conversations, seqs = zip(*places, strict=True)
        rows = await self._pool.fetch(MESSAGES_AT, viewers, conversations, seqs)
        return [_message(row) for row in rows]


def distinct_rounds(drafts: Sequence[Draft]) -> list[list[int]]:
    """Places in `drafts`, split so that no part has a (conversation, sender, key) twice; almost always one part."""
    rounds: list[list[int]] = [[]]
    seen: dict[tuple[str, str, str], int] = {}
    for place, (send, key) in enumerate(drafts):
        name = (send.conversation_id, send.user_id, key)
        turn = seen.get(name, -1) + 1
        seen[name] = turn
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(place)
    return rounds


def _message(row: asyncpg.Record) -> Message:
    read_at, delivered_at = row["read_at"], row["delivered_at"]
    sender_id = row["sender_id"]
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        sender_id=sender_id,
        type=row["type"],
        content=row["content"],
        media=NO_MEDIA if row["media"] is None else msgspec.Raw(row["media"].encode()),
        is_read=read_at is not None,
        read_at=None if read_at is None else instant(read_at),
        delivered_at=None if delivered_at is None else instant(delivered_at),
        created_at=instant(row["created_at"]),
        sender=Sender(sender_id, row["username"] or sender_id, row["display_name"] or sender_id, row["avatar"]),
    )
