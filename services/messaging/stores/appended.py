"""What is appended to a conversation, and what became of it."""

from datetime import datetime
from typing import NamedTuple

from shared.protocol.relay import SendMessage


class Appended(NamedTuple):
    """The result of appending one message.

    `verdict`: new, repeated, or the error code of a refusal; the fields after it count for the first two.

    `unread` is the receiver's count before the batch, `version` the conversation's after it. `blocked`: a block stands.
    `lively`: the message before the batch is younger than 5 seconds.
    """

    message_id: str
    verdict: str
    seq: int
    created_at: datetime
    receiver_id: str
    unread: int
    version: int
    blocked: bool
    lively: bool
    username: str | None
    display_name: str | None
    avatar: str | None
    unarchived: list[str] | None = None
    """The participants out of whose archive the message took the conversation; None: of neither."""
    media: str | None = None
    """The JSON text of the attachments as they go out, where it is not what was sent: uploads are described and signed."""


class Draft(NamedTuple):
    """A message to append, and the key by which its sender's second attempts in this conversation are known."""

    send: SendMessage
    key: str
