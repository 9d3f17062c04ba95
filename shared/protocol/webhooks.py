"""Webhook events for the platform's own back end, and their form between services until they are posted.

The body of a post is `{"type", "timestamp", "data"}` (Standard Webhooks). `data` has the same names as events for clients.
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
    """An event. `data` is a JSON object.

    Events of one `order_key` (a conversation, or a user where there is none) are posted in the order of their commits.
    `seq` is that of the message whose content is in `data`, so that the content can be removed with the message; else None.
    """

    type: str
    order_key: str
    at_ms: int
    data: str
    seq: int | None = None


class EventBatch(Relayed):
    """Events without a transaction in PostgreSQL, on their way to the webhooks service."""

    events: list[WebhookEvent]


event_batch_decoder: Final = msgspec.msgpack.Decoder(EventBatch)
