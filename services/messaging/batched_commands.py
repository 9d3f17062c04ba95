"""A command in its batch: where its answer goes, and its idempotency key."""

from typing import NamedTuple, TypeAlias, TypeVar

from shared.protocol.relay import Command, CommandBatch, EditMessage, SendMessage

C = TypeVar("C")
BatchedCommand: TypeAlias = tuple[CommandBatch, int, C]
"""(batch, index of the command in it, the command)."""


class ReplyAddress(NamedTuple):
    """The connection that a command came from, and its gateway: where the answer goes."""

    gateway_id: str
    connection_id: str


def reply_address_of(batch: CommandBatch, command: Command) -> ReplyAddress:
    """Return where the answer to a command of this batch goes."""
    return ReplyAddress(batch.gateway_id, command.connection_id)


def key_of(batch: CommandBatch, place: int, command: SendMessage | EditMessage) -> str:
    """Return the idempotency key of a send or an edit: its `tempId`, or the gateway id, batch id and index.

    Gateways take a new random id at each start, so no client can guess the second kind.
    """
    return command.temp_id or f"{batch.gateway_id}/{batch.batch_id}/{place}"
