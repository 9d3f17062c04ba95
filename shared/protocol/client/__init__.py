"""Frames that clients send: one struct for each event type, decoded and validated in one pass.

Unknown fields are ignored; a wrong or missing one raises `msgspec.ValidationError` with its path.
"""

from shared.protocol.client.fields import Availability, MediaType, MessageType
from shared.protocol.client.frames import (
    FRAMES,
    AuthRefresh,
    BlockAdd,
    BlockRemove,
    ClientFrame,
    ClientState,
    Envelope,
    MessageDelete,
    MessageDelivered,
    MessageEdit,
    MessageRead,
    MessageSend,
    Ping,
    PresenceSet,
    ReactionAdd,
    ReactionRemove,
    TypingStart,
    TypingStop,
    envelope_decoder,
    frame_decoder,
)
from shared.protocol.client.payloads import ConversationPayload, Media, MessageSendPayload, ReactionPayload, UserPayload

__all__ = [
    "FRAMES",
    "AuthRefresh",
    "Availability",
    "BlockAdd",
    "BlockRemove",
    "ClientFrame",
    "ClientState",
    "ConversationPayload",
    "Envelope",
    "Media",
    "MediaType",
    "MessageDelete",
    "MessageDelivered",
    "MessageEdit",
    "MessageRead",
    "MessageSend",
    "MessageSendPayload",
    "MessageType",
    "Ping",
    "PresenceSet",
    "ReactionAdd",
    "ReactionPayload",
    "ReactionRemove",
    "TypingStart",
    "TypingStop",
    "UserPayload",
    "envelope_decoder",
    "frame_decoder",
]
