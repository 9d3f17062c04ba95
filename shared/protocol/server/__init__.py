"""Events that the server sends: one struct for each type. Their payloads are in `payloads` and `conversations`.

Durable events (`DURABLE`) have a top-level `cursor` when they reach a client. It is appended when the event gets its position in
the receiver's inbox, so the structs don't have it.
"""

from typing import Any, Final

import msgspec

from shared.protocol.server.connection import AuthExpiring, AuthRefreshed, ConnectionSuccess, Pong
from shared.protocol.server.conversations import ConversationCleared, ConversationUpdated, TypingStarted, TypingStopped
from shared.protocol.server.messages import (
    MessageDeleted,
    MessageDeliveredUpdate,
    MessageNew,
    MessageReadAck,
    MessageReadUpdate,
    MessageSent,
    MessageUpdated,
    ReactionUpdated,
)
from shared.protocol.server.people import (
    BlockAdded,
    BlockRemoved,
    StatusBulk,
    UserDeleted,
    UserOffline,
    UserOnline,
    UserStatusChanged,
    UserUpdated,
)

__all__ = [
    "DURABLE",
    "EVENTS",
    "TRANSIENT",
    "AuthExpiring",
    "AuthRefreshed",
    "BlockAdded",
    "BlockRemoved",
    "ConnectionSuccess",
    "ConversationCleared",
    "ConversationUpdated",
    "MessageDeleted",
    "MessageDeliveredUpdate",
    "MessageNew",
    "MessageReadAck",
    "MessageReadUpdate",
    "MessageSent",
    "MessageUpdated",
    "Pong",
    "ReactionUpdated",
    "StatusBulk",
    "TypingStarted",
    "TypingStopped",
    "UserDeleted",
    "UserOffline",
    "UserOnline",
    "UserStatusChanged",
    "UserUpdated",
    "event_type",
]

DURABLE: Final[tuple[type[msgspec.Struct], ...]] = (
    MessageSent,
    MessageNew,
    MessageDeliveredUpdate,
    MessageReadAck,
    MessageReadUpdate,
    ConversationUpdated,
    ConversationCleared,
    MessageUpdated,
    MessageDeleted,
    ReactionUpdated,
    UserDeleted,
)
"""Events with a cursor: kept in the inbox, replayed to a client that reconnects."""

TRANSIENT: Final[tuple[type[msgspec.Struct], ...]] = (
    ConnectionSuccess,
    StatusBulk,
    UserOnline,
    UserOffline,
    UserStatusChanged,
    TypingStarted,
    TypingStopped,
    Pong,
    BlockAdded,
    BlockRemoved,
    AuthExpiring,
    AuthRefreshed,
    UserUpdated,
)
"""Events that are never replayed."""


def event_type(event: type[msgspec.Struct]) -> str:
    """Return the `type` of an event's struct."""
    return str(event.__struct_config__.tag)


EVENTS: Final[dict[str, Any]] = {event_type(event): event for event in (*DURABLE, *TRANSIENT)}
"""Event type → its struct."""
