"""A command as a request of one connection: who gets the answer, and its idempotency key."""

from typing import NamedTuple, TypeAlias, TypeVar

from shared.protocol.relay import Command, CommandBatch, EditMessage, SendMessage

C = TypeVar("C")
Request: TypeAlias = tuple[CommandBatch, int, C]
"""(batch, index of the command in it, the command)."""


class Requester(NamedTuple):
    """The connection that a command came from, and its gateway."""

    gateway_id: str
    connection_id: str


def requester_of(batch: CommandBatch, command: Command) -> Requester:
    """Return the connection that a command of this batch came from."""
    return Requester(batch.gateway_id, command.connection_id)


def key_of(batch: CommandBatch, place: int, command: SendMessage | EditMessage) -> str:
    """Return the idempotency key of a send or an edit: its `tempId`, or the gateway id, batch id and index.

    Gateways take a new random id at each start, so no client can guess the second kind.
    """
    return command.temp_id or f"{batch.gateway_id}/{batch.batch_id}/{place}"
