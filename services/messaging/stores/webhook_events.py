"""Builds the webhook events of the stores' changes, from the rows of a statement and in its transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from shared.protocol.codec import instant
from shared.protocol.relay import SYSTEM_USER, DeleteMessage, EditMessage, SendMessage
from shared.protocol.webhooks import EventType, WebhookEvent
from shared.webhooks import event


def message_created(send: SendMessage, message_id: str, seq: int, created_at: datetime) -> WebhookEvent:
    """Return the event of a message that was stored."""
    data: dict[str, Any] = {
        "id": message_id,
        "conversationId": send.conversation_id,
        "seq": seq,
        "senderId": None if send.user_id == SYSTEM_USER else send.user_id,
        "type": send.type,
        "content": send.content,
        "media": [] if send.media is None else msgspec.Raw(send.media.encode()),
        "createdAt": instant(created_at),
        "tempId": send.temp_id,
    }
    if send.metadata is not None:
        data["metadata"] = msgspec.Raw(send.metadata.encode())
    if send.reply_to is not None:
        data["replyTo"] = send.reply_to
    return event(EventType.MESSAGE_CREATED, send.conversation_id, data, seq)


def conversation_created(conversation_id: str, user_ids: Sequence[str], created_at: datetime) -> WebhookEvent:
    """Return the event of a new conversation."""
    data = {"conversationId": conversation_id, "userIds": list(user_ids), "createdAt": instant(created_at)}
    return event(EventType.CONVERSATION_CREATED, conversation_id, data)


def messages_read(conversation_id: str, reader_id: str, seq: int, read_at: datetime) -> WebhookEvent:
    """Return the event that a user has read everything up to `seq`."""
    data = {"conversationId": conversation_id, "readBy": reader_id, "seq": seq, "readAt": instant(read_at)}
    return event(EventType.MESSAGE_READ, conversation_id, data)


def block_changed(
    conversation_id: str, blocker_id: str, blocked_id: str, *, active: bool, at: datetime
) -> WebhookEvent:
    """Return the event that a user blocked or unblocked another."""
    kind = EventType.BLOCK_ADDED if active else EventType.BLOCK_REMOVED
    data = {"blockerId": blocker_id, "blockedId": blocked_id, "at": instant(at)}
    return event(kind, conversation_id, data)


def messages_updated(edits: Sequence[EditMessage], rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
    """Return the events of the rows of `edit.sql` that changed something."""
    return [
        event(
            EventType.MESSAGE_UPDATED,
            edit.conversation_id,
            {
                "conversationId": edit.conversation_id,
                "seq": edit.seq,
                "senderId": edit.user_id,
                "content": row["content"],
                "editedAt": instant(row["edited_at"]),
            },
            edit.seq,
        )
        for edit, row in zip(edits, rows, strict=True)
        if row["verdict"] == "edited"
    ]


def messages_deleted(deletions: Sequence[DeleteMessage], rows: Sequence[asyncpg.Record]) -> list[WebhookEvent]:
    """Return the events of the rows of `delete.sql` that changed something."""
    return [
        event(
            EventType.MESSAGE_DELETED,
            deletion.conversation_id,
            {
                "conversationId": deletion.conversation_id,
                "seq": deletion.seq,
                "senderId": None if deletion.user_id == SYSTEM_USER else deletion.user_id,
                "deletedAt": instant(row["deleted_at"]),
            },
        )
        for deletion, row in zip(deletions, rows, strict=True)
        if row["verdict"] == "deleted"
    ]


def places_of_deleted(deletions: Sequence[DeleteMessage], rows: Sequence[asyncpg.Record]) -> list[tuple[str, int]]:
    """Return (conversation, seq) of the messages that the rows of `delete.sql` deleted."""
    return [
        (deletion.conversation_id, deletion.seq)
        for deletion, row in zip(deletions, rows, strict=True)
        if row["verdict"] == "deleted"
    ]


def user_deleted(user_id: str) -> WebhookEvent:
    """Return the event that a user was erased."""
    return event(EventType.USER_DELETED, user_id, {"userId": user_id})
