"""A command as a request of one connection: where its answer goes, and how an error names it."""

from typing import NamedTuple, TypeAlias, TypeVar

from shared.protocol.relay import Command, CommandBatch, EditMessage, SendMessage

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


def key_of(batch: CommandBatch, place: int, command: SendMessage | EditMessage) -> str:
    """The idempotency key of a send or an edit: its `tempId`, or else its place in its batch.

    Gateways take a new random id at each start, so that no client can guess the second kind.
    """
    return command.temp_id or f"{batch.gateway_id}/{batch.batch_id}/{place}"
