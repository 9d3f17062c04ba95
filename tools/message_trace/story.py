"""The path of a message, line by line, in order."""

from collections.abc import Sequence
from typing import Any

from tools.message_trace.copies import Copies
from tools.message_trace.row import Row


def tell(
    row: Row, copies: Copies, webhooks: Sequence[Any], letters: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """(step, what is known of it)."""
    return [
        (
            "stored",
            f"as {row.type} number {row.seq} of conversation {row.conversation_id}, at {row.created_at.isoformat()}",
        ),
        ("from", row.sender_id),
        ("to", f"{row.receiver_id}{', behind a block: only the sender sees it' if row.blocked else ''}"),
        *([("edited", row.edited_at.isoformat())] if row.edited_at else []),
        *([("deleted", row.deleted_at.isoformat())] if row.deleted_at else []),
        ("sender's inbox", _inbox(copies.offsets[row.sender_id])),
        ("receiver's inbox", _inbox(copies.offsets[row.receiver_id])),
        ("receiver's connections", _connections(copies)),
        ("delivered", "yes" if row.delivered else "no device has said so"),
        ("read", "yes" if row.read else "no"),
        (
            "pushes",
            ", ".join(f"{device}: {state}" for device, state in copies.pushes.items()) or "none in the last day",
        ),
        ("webhooks", "; ".join(map(_webhook, webhooks)) or "none waits"),
        ("dead letters", "; ".join(f"{queue}: {reason}" for queue, reason in letters) or "none"),
    ]


def queries(row: Row) -> list[tuple[str, str]]:
    """How its traces and log lines are found (docs/operations.md, «Follow one message»)."""
    return [
        ("traces", f'{{ span.chat.message_ids = "{row.id}" || span.chat.conversation_ids = "{row.conversation_id}" }}'),
        ("logs", f'{{namespace="chat"}} |= "{row.id}"'),
    ]


def _inbox(cursor: str | None) -> str:
    return f"at {cursor}" if cursor else "not there (older than a day, trimmed, or never was)"


def _connections(copies: Copies) -> str:
    found = [f"{connection} on {gateway}" for connection, gateway in copies.connections.items()]
    return ", ".join(found) or "none now"


def _webhook(event: Any) -> str:
    state = "given up" if event["dead_at"] else f"{event['attempts']} attempts"
    return f"{event['type']} to {event['endpoint']}: {state} {event['last_error'] or ''}".rstrip()
