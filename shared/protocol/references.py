"""Error references of commands: the ids by which the client knows its request."""

from typing import Any, Final

from shared.protocol import client
from shared.protocol.errors import ErrorReference
from shared.protocol.relay import (
    Command,
    DeleteMessage,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
    SetReaction,
    SetStatus,
    Typing,
)
from shared.protocol.server import event_type

_FRAMES: Final[dict[type[Any], str]] = {
    SendMessage: event_type(client.MessageSend),
    MarkRead: event_type(client.MessageRead),
    MarkDelivered: event_type(client.MessageDelivered),
    EditMessage: event_type(client.MessageEdit),
    DeleteMessage: event_type(client.MessageDelete),
}
_TYPING: Final = {True: event_type(client.TypingStart), False: event_type(client.TypingStop)}
_BLOCK: Final = {True: event_type(client.BlockAdd), False: event_type(client.BlockRemove)}
_REACTION: Final = {True: event_type(client.ReactionAdd), False: event_type(client.ReactionRemove)}


def reference_of(command: Command | Typing | SetStatus) -> ErrorReference:
    """Return the reference of the client's request behind a command."""
    if isinstance(command, SetBlock):
        return ErrorReference(_BLOCK[command.blocked])
    if isinstance(command, SetStatus):
        return ErrorReference(event_type(client.PresenceSet))
    if isinstance(command, Typing):
        return ErrorReference(_TYPING[command.active], None, command.conversation_id)
    kind = _REACTION[command.active] if isinstance(command, SetReaction) else _FRAMES[type(command)]
    return ErrorReference(kind, getattr(command, "temp_id", None), command.conversation_id)
