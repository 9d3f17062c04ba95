"""Gateway → messaging: commands in batches, and typing signals."""

from typing import Any, Final, get_args

import msgspec

from shared.protocol.payloads import has_uploads
from shared.protocol.relay.base import Relayed


class SendMessage(Relayed, tag_field="kind", tag="send"):
    """Store a message and deliver it. `media` is the JSON text of the list, checked, or None.

    `reply_to`: the seq of the quoted message. `metadata`: the JSON text of an object, checked, or None.
    `rejected`: why moderation refuses it; only messaging itself sets this.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    type: str
    content: str | None
    media: str | None
    temp_id: str | None
    reply_to: int | None = None
    metadata: str | None = None
    rejected: str | None = None


class MarkRead(Relayed, tag_field="kind", tag="read"):
    """The user has read everything up to `seq` (None: everything that the user could see at `at_ms`).

    `at_ms`: Unix ms when the gateway took the frame; 0 from older gateways.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int | None
    at_ms: int = 0


class MarkDelivered(Relayed, tag_field="kind", tag="delivered"):
    """A device of the user has received everything up to `seq`. It stops pushes only when its client is `active`."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    active: bool = True


class SetBlock(Relayed, tag_field="kind", tag="block"):
    """Block (`blocked` true) or unblock a user. `target`: the username, or with `by_id` the id.

    `at_ms`: Unix ms when the gateway took the frame; 0 from older gateways. Of two about the same pair, the one with the later
    time counts, in whatever order they are handled.
    """

    user_id: str
    connection_id: str
    target: str
    blocked: bool
    at_ms: int = 0
    by_id: bool = False


class EditMessage(Relayed, tag_field="kind", tag="edit"):
    """Replace the content of one of the user's messages. `rejected`: as in `SendMessage`."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    content: str
    temp_id: str | None
    rejected: str | None = None


class DeleteMessage(Relayed, tag_field="kind", tag="delete"):
    """Delete one of the user's messages for everybody."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    temp_id: str | None


class SetReaction(Relayed, tag_field="kind", tag="reaction"):
    """Put an emoji on a message (`active` true), or remove it.

    `at_ms`: Unix ms when the gateway took the frame. Of two about the same emoji, the one with the later time counts, in whatever
    order they are handled.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    emoji: str
    active: bool
    temp_id: str | None
    at_ms: int = 0


Change = EditMessage | DeleteMessage | SetReaction
"""A command that changes a stored message."""
Command = SendMessage | MarkRead | MarkDelivered | SetBlock | EditMessage | DeleteMessage | SetReaction


def needs_changes_queue(command: Command) -> bool:
    """Return True for a command that version 0.1.0 doesn't know, and for changes of blocks, which take longer than messages.

    Version 0.1.0 would store a message with an upload without the upload's description.
    """
    if isinstance(command, SendMessage):
        newer = command.reply_to is not None or command.metadata is not None or command.type == "custom"
        return newer or has_uploads(command.media)
    return not isinstance(command, MarkRead | MarkDelivered)


class CommandBatch(Relayed):
    """Commands of one gateway.

    `batch_id` comes back in `Downlink.completed` when all of them are done. A connection's commands are in the order in which
    they came, and it has no other batch under way. `again`: the batch may have been stored before without being announced;
    messaging itself sets this.
    """

    gateway_id: str
    batch_id: int
    commands: list[Command]
    again: bool = False


ENDS_NOTHING: Final = 1
"""`Typing.at_ms` of an end without a beginning. It is sent so that the client gets an error when the user isn't a participant."""


class Typing(Relayed):
    """The user began (`active`) or ended to type in a conversation.

    `at_ms`: Unix ms by the gateway's clock, rising with each signal. An end by time-out has that of the last beginning.
    An end applies to everything that began up to then. `connection_id`: the connection that asked; '' when the gateway itself
    ends it.
    """

    user_id: str
    conversation_id: str
    active: bool
    at_ms: int = 0
    connection_id: str = ""


class SignalBatch(Relayed):
    """Typing signals of one gateway. They are lost when nobody consumes them within two seconds."""

    signals: list[Typing]
    gateway_id: str = ""


class DirectTyping(Relayed):
    """A script of messaging that Redis has loaded, and that a gateway may run on typing signals instead of sending them.

    Its arguments are `settings` unchanged, and a `SignalBatch`. It returns the indexes of signals that messaging must carry out.
    """

    sha: str
    settings: bytes


def is_newer(body: bytes) -> bool:
    """Return True for a well-formed batch with a kind of command that this version doesn't know."""
    try:
        _gateway_id, _batch_id, commands, *_ = msgspec.msgpack.decode(body, type=list[Any])
        kinds = {command[0] for command in commands}
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError, UnicodeDecodeError):
        return False
    return all(isinstance(kind, str) for kind in kinds) and not kinds <= _COMMAND_KINDS


_COMMAND_KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Command))

command_batch_decoder: Final = msgspec.msgpack.Decoder(CommandBatch)
signal_batch_decoder: Final = msgspec.msgpack.Decoder(SignalBatch)
direct_typing_decoder: Final = msgspec.msgpack.Decoder(DirectTyping)
