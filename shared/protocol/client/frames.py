"""The frames that clients send, one struct for each event type."""

from typing import Any, Final, get_args

import msgspec

from shared.protocol.client.payloads import (
    AuthRefreshPayload,
    ClientStatePayload,
    ConversationPayload,
    MessageDeletePayload,
    MessageDeliveredPayload,
    MessageEditPayload,
    MessageReadPayload,
    MessageSendPayload,
    PingPayload,
    PresenceSetPayload,
    ReactionPayload,
    UserPayload,
)


class MessageSend(msgspec.Struct, tag="message.send", tag_field="type", frozen=True):
    """Send a message.

    Example: `{"type": "message.send", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "type": "text", "content": "Hello there!", "tempId": "temp-123"}}`
    """

    payload: MessageSendPayload


class MessageRead(msgspec.Struct, tag="message.read", tag_field="type", frozen=True):
    """Mark as read.

    Example: `{"type": "message.read", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7}}`
    """

    payload: MessageReadPayload


class MessageDelivered(msgspec.Struct, tag="message.delivered", tag_field="type", frozen=True):
    """Mark as delivered.

    Example: `{"type": "message.delivered", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7}}`
    """

    payload: MessageDeliveredPayload


class TypingStart(msgspec.Struct, tag="typing.start", tag_field="type", frozen=True):
    """The user began to type.

    Example: `{"type": "typing.start", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001"}}`
    """

    payload: ConversationPayload


class TypingStop(msgspec.Struct, tag="typing.stop", tag_field="type", frozen=True):
    """The user no longer types.

    Example: `{"type": "typing.stop", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001"}}`
    """

    payload: ConversationPayload


class PresenceSet(msgspec.Struct, tag="presence.set", tag_field="type", frozen=True):
    """Set this device's status.

    Example: `{"type": "presence.set", "payload": {"status": "away"}}`
    """

    payload: PresenceSetPayload


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """Ask for a `pong`, and renew the lease.

    Example: `{"type": "ping", "payload": {"timestamp": 1704067200}}`
    """

    payload: PingPayload = PingPayload()


class BlockAdd(msgspec.Struct, tag="block.add", tag_field="type", frozen=True):
    """Block a user.

    Example: `{"type": "block.add", "payload": {"username": "spammer123"}}`
    """

    payload: UserPayload


class BlockRemove(msgspec.Struct, tag="block.remove", tag_field="type", frozen=True):
    """Unblock a user.

    Example: `{"type": "block.remove", "payload": {"username": "spammer123"}}`
    """

    payload: UserPayload


class AuthRefresh(msgspec.Struct, tag="auth.refresh", tag_field="type", frozen=True):
    """Replace the connection's token.

    Example: `{"type": "auth.refresh", "payload": {"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}}`
    """

    payload: AuthRefreshPayload


class MessageEdit(msgspec.Struct, tag="message.edit", tag_field="type", frozen=True):
    """Change the text of an own message.

    Example: `{"type": "message.edit", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "content": "Hello, everybody!", "tempId": "edit-1"}}`
    """

    payload: MessageEditPayload


class MessageDelete(msgspec.Struct, tag="message.delete", tag_field="type", frozen=True):
    """Delete an own message for everybody.

    Example: `{"type": "message.delete", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "tempId": "delete-1"}}`
    """

    payload: MessageDeletePayload


class ReactionAdd(msgspec.Struct, tag="reaction.add", tag_field="type", frozen=True):
    """React to a message.

    Example: `{"type": "reaction.add", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "emoji": "👍"}}`
    """

    payload: ReactionPayload


class ReactionRemove(msgspec.Struct, tag="reaction.remove", tag_field="type", frozen=True):
    """Remove a reaction.

    Example: `{"type": "reaction.remove", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "emoji": "👍"}}`
    """

    payload: ReactionPayload


class ClientState(msgspec.Struct, tag="client.state", tag_field="type", frozen=True):
    """Say whether the client's window is visible and in use: an inactive client doesn't stop pushes.

    Example: `{"type": "client.state", "payload": {"active": false}}`
    """

    payload: ClientStatePayload


ClientFrame = (
    MessageSend
    | MessageRead
    | MessageDelivered
    | TypingStart
    | TypingStop
    | PresenceSet
    | Ping
    | BlockAdd
    | BlockRemove
    | AuthRefresh
    | MessageEdit
    | MessageDelete
    | ReactionAdd
    | ReactionRemove
    | ClientState
)
"""Any frame that a client may send."""

FRAMES: Final[dict[str, type[msgspec.Struct]]] = {
    str(frame.__struct_config__.tag): frame for frame in get_args(ClientFrame)
}
"""Event type → its struct."""


class Envelope(msgspec.Struct, frozen=True):
    """Any object with a type. A refused frame is decoded to this, to tell the client which request failed."""

    type: str
    payload: Any = None


frame_decoder: Final[msgspec.json.Decoder[ClientFrame]] = msgspec.json.Decoder(ClientFrame)
envelope_decoder: Final[msgspec.json.Decoder[Envelope]] = msgspec.json.Decoder(Envelope)
