"""Reports of messages, with copies of the messages as they were at the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec
from uuid_utils import uuid7

from shared.postgres import Pool
from shared.protocol.codec import instant, json_encoder
from shared.protocol.payloads import Message
from shared.protocol.webhooks import EventType
from shared.webhooks import NO_WEBHOOKS, Outbox, event

_COLUMNS: Final = (
    "id::text, conversation_id::text, reporter_id::text, reason, comment, state, messages, created_at, updated_at"
)
_ADD: Final = f"""
    INSERT INTO messaging.reports (id, conversation_id, reporter_id, reason, comment, messages)
    VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6::jsonb) RETURNING {_COLUMNS}
"""  # noqa: S608 - only our own column names
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM messaging.reports
    WHERE ($1::text IS NULL OR state = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
    ORDER BY created_at DESC, id DESC LIMIT $4
"""  # noqa: S608
_SET: Final = f"""
    UPDATE messaging.reports SET state = $2, updated_at = now() WHERE id = $1::uuid RETURNING {_COLUMNS}
"""  # noqa: S608


AT_ONCE: Final = 4
"""Reports that are read together: each may have megabytes."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A new report of a user."""

    conversation_id: str
    reporter_id: str
    reason: str
    comment: str | None


class Reports:
    """The table of reports. Every method raises what asyncpg raises, and returns reports in the shape of the protocol."""

    def __init__(self, pool: Pool, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox

    async def add(self, complaint: Complaint, messages: Sequence[Message]) -> dict[str, Any]:
        """Store a report with its messages, and tell webhooks."""
        kept = json_encoder.encode(list(messages)).decode()
        given = (
            str(uuid7()),
            complaint.conversation_id,
            complaint.reporter_id,
            complaint.reason,
            complaint.comment,
            kept,
        )
        seqs = [message.seq for message in messages]
        (row,) = await self._outbox.fetch(
            self._pool,
            _ADD,
            given,
            lambda rows: [
                event(EventType.REPORT_CREATED, complaint.conversation_id, {**_without_messages(rows[0]), "seqs": seqs})
            ],
        )
        return shown(row)

    async def page(
        self, state: str | None, after: tuple[datetime, str] | None, most: int, most_bytes: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return up to `most` reports, newest first, after the position (created_at, id), and whether there are more.

        There are fewer, but at least one, where their messages have more than `most_bytes`.
        """
        found: list[dict[str, Any]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            asked = (state, *(after or (None, None)), most + 1)
            async for row in connection.cursor(_LIST, *asked, prefetch=AT_ONCE):
                most_bytes -= len(row["messages"].encode())
                if len(found) == most or (found and most_bytes < 0):
                    return found, True
                found.append(shown(row))
        return found, False

    async def set_state(self, report_id: str, state: str) -> dict[str, Any] | None:
        """Change the state; None when there is no such report."""
        row = await self._pool.fetchrow(_SET, report_id, state)
        return None if row is None else shown(row)


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """Return a report with its messages, in the shape of the protocol."""
    return {**_without_messages(row), "messages": msgspec.Raw(row["messages"].encode())}


def _without_messages(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "conversationId": row["conversation_id"],
        "reporterId": row["reporter_id"],
        "reason": row["reason"],
        "comment": row["comment"],
        "state": row["state"],
        "createdAt": instant(row["created_at"]),
        "updatedAt": instant(row["updated_at"]),
    }
