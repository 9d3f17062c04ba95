"""A command as a request of one connection: where its answer goes, and how an error names it."""

from typing import NamedTuple, TypeAlias, TypeVar

from shared.protocol import client
from shared.protocol.errors import ErrorReference
from shared.protocol.relay import Command, CommandBatch, MarkDelivered, MarkRead, SendMessage, Typing
from shared.protocol.server import event_type

_SEND = event_type(client.MessageSend)
_READ = event_type(client.MessageRead)
_DELIVERED = event_type(client.MessageDelivered)
_TYPING = event_type(client.TypingStart)
_TYPING_END = event_type(client.TypingStop)
_BLOCK = event_type(client.BlockAdd)
_UNBLOCK = event_type(client.BlockRemove)


C = TypeVar("C")
Request: TypeAlias = tuple[CommandBatch, int, C]
"""A command with the batch that it came in, and its place there."""


class Requester(NamedTuple):
    """The connection that a command came from, and its gateway."""

    gateway_id: str
    connection_id: str


def requester_of(batch: CommandBatch, command: Command) -> Requester:
    """The connection that a command of this batch came from."""
    return Requester(batch.gateway_id, command.connection_id)


def reference_of(command: Command | Typing) -> ErrorReference:
    """The client's request, as an error names it."""
    if isinstance(command, SendMessage):
        return ErrorReference(_SEND, command.temp_id, command.conversation_id)
    if isinstance(command, MarkRead):
        return ErrorReference(_READ, None, command.conversation_id)
    if isinstance(command, MarkDelivered):
        return ErrorReference(_DELIVERED, None, command.conversation_id)
    if isinstance(command, Typing):
        return ErrorReference(_TYPING if command.active else _TYPING_END, None, command.conversation_id)
    return ErrorReference(_BLOCK if command.blocked else _UNBLOCK)


def key_of(batch: CommandBatch, place: int, send: SendMessage) -> str:
    """The idempotency key of a message: the sender's `tempId`, or else its place in its batch.

    Gateways take a new random id at each start, so that no client can guess the second kind.
    """
    return send.temp_id or f"{batch.gateway_id}/{batch.batch_id}/{place}"
