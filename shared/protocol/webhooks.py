"""Webhooks: the events that the platform's own back end is told, and how they travel until they are posted.

A post's body is `{"type", "timestamp", "data"}` (Standard Webhooks); `data` has the names that clients know.
"""

from enum import StrEnum
from typing import Final

import msgspec

from shared.protocol.relay import Relayed


class EventType(StrEnum):
    """The value of `type`."""

    MESSAGE_CREATED = "message.created"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_READ = "message.read"
    CONVERSATION_CREATED = "conversation.created"
    USER_ONLINE = "user.online"
    USER_OFFLINE = "user.offline"
    USER_DELETED = "user.deleted"
    BLOCK_ADDED = "block.added"
    BLOCK_REMOVED = "block.removed"
    REPORT_CREATED = "report.created"
    PUSH_UNDELIVERED = "push.undelivered"


class WebhookEvent(Relayed):
    """Something that happened. `data` is a JSON object.

    Events of one `order_key` (a conversation, or a user where there is none) are posted in the order of their commits.
    `seq` is that of the message that the content in `data` belongs to, so that it goes when the message does; else None.
    """

    type: str
    order_key: str
    at_ms: int
    data: str
    seq: int | None = None


class EventBatch(Relayed):
    """Events that no transaction of PostgreSQL stands behind, on their way to the webhooks service."""

    events: list[WebhookEvent]


event_batch_decoder: Final = msgspec.msgpack.Decoder(EventBatch)
