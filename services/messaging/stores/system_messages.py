"""Messages of the system in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
from uuid_utils import uuid7

from services.messaging.stores.changes import Deleted
from services.messaging.stores.messages import MAX_ATTEMPTS
from services.messaging.stores.sql import APPEND_SYSTEM, TAKE_DOWN_SYSTEM
from services.messaging.stores.webhook_events import message_created, messages_deleted, places_of_deleted
from shared.postgres import Pool
from shared.protocol.relay import SYSTEM_USER, DeleteMessage, SendMessage
from shared.protocol.webhooks import WebhookEvent
from shared.webhooks import NO_WEBHOOKS, Outbox


class SystemAppended(NamedTuple):
    """The result of appending a system message. `verdict`: new, repeated, or the error code of a refusal.

    The unread counts belong to the participants with the lower and the higher id, and include the message.
    """

    message_id: str
    verdict: str
    seq: int
    created_at: datetime
    user_low: str
    user_high: str
    unread_low: int
    unread_high: int
    version: int
    lively: bool


class SystemMessages:
    """Appends system messages."""

    def __init__(self, pool: Pool, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox

    async def append(self, send: SendMessage, key: str) -> SystemAppended | None:
        """Append a message under an idempotency key; None when there is no such conversation. Raises what asyncpg raises."""
        message_id = str(uuid7())

        def events(rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
            return [
                message_created(send, message_id, row["seq"], row["created_at"])
                for row in rows
                if row["verdict"] == "new"
            ]

        body = (key, send.type, send.content, send.media, send.reply_to, send.metadata)
        for attempt in range(MAX_ATTEMPTS):
            try:
                given = (message_id, send.conversation_id, *body, SYSTEM_USER)
                rows = await self._outbox.fetch(self._pool, APPEND_SYSTEM, given, events)
                break
            except asyncpg.UniqueViolationError:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
        return SystemAppended(message_id, *rows[0]) if rows else None

    async def delete(self, conversation_id: str, seq: int) -> list[Deleted]:
        """Delete a message. Returns a result for each participant; none when there is no such message of the system."""
        command = DeleteMessage(SYSTEM_USER, "", conversation_id, seq, None)

        def events(rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
            return messages_deleted([command], rows[:1]) if rows else []

        def gone(rows: Sequence[asyncpg.Record]) -> list[tuple[str, int]]:
            return places_of_deleted([command], rows[:1]) if rows else []

        given = (conversation_id, seq, SYSTEM_USER)
        return [Deleted(*row) for row in await self._outbox.fetch(self._pool, TAKE_DOWN_SYSTEM, given, events, gone)]
