"""What PostgreSQL knows of a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.postgres import connect, load_sql, parse

SCAN_SECONDS: Final = 120.0
"""Without its conversation a message is looked for in the whole table."""
_MESSAGE: Final = load_sql(__package__, "message")
_WEBHOOKS: Final = load_sql(__package__, "webhooks")
_DEVICES: Final = load_sql(__package__, "devices")


@dataclass(frozen=True, slots=True)
class Row:
    """A stored message without its text. `delivered`, `read`: up to it, by its receiver."""

    id: str
    conversation_id: str
    seq: int
    sender_id: str
    type: str
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    receiver_id: str
    delivered: bool
    read: bool
    blocked: bool


async def find(
    url: str, message_id: str, conversation_id: str | None
) -> tuple[Row | None, Sequence[Any], Sequence[str]]:
    """The message, webhooks about it that wait or were given up, and the ids of its receiver's devices.

    Raises what asyncpg raises.
    """
    connection = await connect(parse(url), application_name="chatctl", statement_seconds=SCAN_SECONDS)
    try:
        found = await connection.fetchrow(_MESSAGE, message_id, conversation_id)
        if found is None:
            return None, [], []
        row = Row(**dict(found))
        webhooks = await connection.fetch(_WEBHOOKS, row.conversation_id, row.seq)
        devices = [record["id"] for record in await connection.fetch(_DEVICES, row.receiver_id)]
    finally:
        await connection.close()
    return row, webhooks, devices
