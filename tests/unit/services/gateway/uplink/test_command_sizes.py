"""services.gateway.uplink.batches: a command's size in a batch is never more than `bytes_of` says."""

import uuid
from typing import Any, Final, get_args

import msgspec
import pytest

from services.gateway.uplink.batches import MAX_BYTES, Batches, bytes_of
from shared.protocol import limits, relay
from shared.protocol.client.fields import MessageType
from shared.protocol.codec import msgpack_encoder

WIDEST: Final = "\N{GRINNING FACE}"
"""Four bytes of UTF-8, as many as a character may take."""
BOUNDED: Final = {
    **dict.fromkeys(("user_id", "connection_id", "conversation_id"), str(uuid.UUID(int=0))),
    "type": max(get_args(MessageType), key=len),
    "temp_id": WIDEST * limits.MAX_TEMP_ID_CHARACTERS,
    "emoji": "x" * limits.MAX_EMOJI_BYTES,
    "rejected": None,
}
"""Field of a command → its longest value, of those that are no free text. Only messaging sets `rejected`."""


class Sender:
    """What batches need of a connection."""

    commands = None
    reading = None


def largest(kind: type[relay.Command]) -> relay.Command:
    """A command with the longest value in each field; a text that isn't bounded here is as long as a message's."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in BOUNDED:
            values[field.name] = BOUNDED[field.name]
        elif str in (field.type, *get_args(field.type)):
            values[field.name] = WIDEST * limits.MAX_CONTENT_CHARACTERS
        else:
            values[field.name] = True if field.type is bool else limits.MAX_SAFE_INTEGER
    return kind(**values)


@pytest.mark.parametrize("kind", get_args(relay.Command))
def test_no_command_is_larger_than_its_bound(kind: type[relay.Command]) -> None:
    command = largest(kind)
    assert len(msgpack_encoder.encode(command)) <= bytes_of(command)


def test_a_batch_of_blocks_of_the_longest_names_is_not_too_large() -> None:
    batches = Batches()
    for number in range(limits.MAX_COMMANDS_PER_BATCH):
        sender: Any = Sender()
        assert batches.add(sender, largest(relay.SetBlock), now=float(number))
    batch = batches.take(0.0)
    assert batch is not None
    assert len(msgpack_encoder.encode(batch.commands)) <= MAX_BYTES
