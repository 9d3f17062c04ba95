"""Messages to append to a conversation, and the results."""

from datetime import datetime
from typing import NamedTuple

from shared.protocol.relay import SendMessage


class Appended(NamedTuple):
    """The result of appending one message.

    `verdict`: new, repeated, or the error code of a refusal; the other fields are valid for the first two.

    `unread` is the receiver's count before the batch, `version` the conversation's after it. `blocked`: a block is in force.
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
    """The participants for whom the message unarchived the conversation; None: for neither."""
    media: str | None = None
    """The JSON text of the attachments for receivers, where it differs from what was sent: uploads get a description and signed
    URLs."""


class Draft(NamedTuple):
    """A message to append, and its idempotency key for this sender and conversation."""

    send: SendMessage
    key: str
