"""Messages in PostgreSQL: appends them in batches, and reads them by (conversation, seq)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec
from uuid_utils import uuid7

from services.messaging.stores.appended import Appended, Draft
from services.messaging.stores.attaching import Executor, append_with_uploads
from services.messaging.stores.message_rows import NO_MEDIA, Receipt, message_of, sender_of
from services.messaging.stores.sql import APPEND, MESSAGES_AT
from services.messaging.stores.webhook_events import message_created
from shared.postgres import KeptConnections, Pool
from shared.protocol.codec import instant
from shared.protocol.payloads import Message, has_uploads
from shared.protocol.relay import SendMessage
from shared.protocol.webhooks import WebhookEvent
from shared.uploads import UploadSigner
from shared.webhooks import NO_WEBHOOKS, Outbox

__all__ = ["NO_MEDIA", "Appended", "Draft", "Messages", "distinct_rounds"]

MAX_ATTEMPTS: Final = 64
"""How often a batch is appended again after it lost a race for a temp id. Each loss means that another replica committed."""


class Messages:
    """The messages of all conversations."""

    def __init__(self, pool: Pool, signer: UploadSigner | None = None, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._signer = signer
        self._outbox = outbox
        self._kept = KeptConnections(pool)

    async def append(self, drafts: Sequence[Draft]) -> list[Appended]:
        """Append `drafts` in one statement, and return the result of each, in order.

        A repeated key returns the seq of its message. When `drafts` itself repeats a key, a second statement takes the
        repetitions. Uploads are attached in the same transaction. Raises what asyncpg raises.
        """
        if not any(has_uploads(draft.send.media) for draft in drafts):
            return await self._append_all(self._pool, drafts, MAX_ATTEMPTS)
        async with self._pool.acquire() as connection, connection.transaction():
            return await append_with_uploads(
                connection, drafts, lambda taken: self._append_all(connection, taken, 1), self._signer
            )

    async def _append_all(self, on: Executor, drafts: Sequence[Draft], attempts: int) -> list[Appended]:
        rounds = distinct_rounds(drafts)
        if len(rounds) == 1:
            return await self._append_distinct(on, drafts, attempts)
        results: dict[int, Appended] = {}
        for places in rounds:
            appended = await self._append_distinct(on, [drafts[place] for place in places], attempts)
            results.update(zip(places, appended, strict=True))
        return [results[place] for place in range(len(drafts))]

    async def _append_distinct(self, on: Executor, drafts: Sequence[Draft], attempts: int) -> list[Appended]:
        ids = [str(uuid7()) for _ in drafts]
        columns = zip(
            *[(s.user_id, s.conversation_id, key, s.type, s.content, s.media) for s, key in drafts], strict=True
        )
        given = [ids, *columns, *_rarely_given([send for send, _ in drafts])]

        def events(rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
            return [
                message_created(self._outgoing(draft.send), message_id, row["seq"], row["created_at"])
                for draft, message_id, row in zip(drafts, ids, rows, strict=True)
                if row["verdict"] == "new"
            ]

        for attempt in range(attempts):
            try:
                if on is self._pool and not self._outbox.enabled:
                    rows = await self._kept.fetch(APPEND, *given)
                else:
                    rows = await self._outbox.fetch(on, APPEND, given, events)
                break
            except asyncpg.UniqueViolationError:
                if attempt == attempts - 1:
                    raise
        return [Appended(message_id, *row) for message_id, row in zip(ids, rows, strict=True)]

    def _outgoing(self, send: SendMessage) -> SendMessage:
        """Return the message as others see it, with URLs for its uploads."""
        if self._signer is None or send.media is None or not has_uploads(send.media):
            return send
        return msgspec.structs.replace(send, media=self._signer.sign_media(send.media))

    async def at(self, places: Sequence[tuple[str, str, int]]) -> list[Message]:
        """Return the messages at (viewer, conversation, seq), as the viewers may see them. Missing ones are left out."""
        return [message for message, _ in await self.versions_at(places)]

    async def versions_at(self, places: Sequence[tuple[str, str, int]]) -> list[tuple[Message, int]]:
        """Do the same as `at`, with the version of each message's conversation when it was read.

        Later changes have a higher version.
        """
        if not places:
            return []
        viewers, conversations, seqs = zip(*places, strict=True)
        rows = await self._pool.fetch(MESSAGES_AT, viewers, conversations, seqs)
        return [(_message(row, self._signer), row["version"]) for row in rows]


def _rarely_given(sends: Sequence[SendMessage]) -> tuple[list[int | None], list[str | None]]:
    """Return the columns of quoted seqs and of metadata.

    They are empty when no message has any, so plain messages cost nothing more.
    """
    if all(send.reply_to is None and send.metadata is None for send in sends):
        return [], []
    return [send.reply_to for send in sends], [send.metadata for send in sends]


def distinct_rounds(drafts: Sequence[Draft]) -> list[list[int]]:
    """Return the indexes of `drafts`, split so that no part has a (conversation, sender, key) twice.

    There is almost always one part.
    """
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


def _message(row: asyncpg.Record, signer: UploadSigner | None) -> Message:
    _, conversation_id, username, display_name, avatar, read_at, delivered_at, *columns = row
    sender_id = columns[2]
    senders = {sender_id: sender_of(sender_id, username, display_name, avatar)}
    receipt = Receipt(_instant(read_at), _instant(delivered_at))
    return message_of(columns, conversation_id, senders, receipt, signer)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
