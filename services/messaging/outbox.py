"""What one cycle has to say: events by receiver, answers by connection, completions by gateway."""

from typing import Any, NamedTuple

import msgspec

from services.messaging.messages import Appended
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ErrorReference, error_event
from shared.protocol.relay import BlockChanged, SendMessage


class Origin(NamedTuple):
    """The message that an event announces."""

    send: SendMessage
    appended: Appended


class Asker(NamedTuple):
    """The connection that a command came from, and its gateway."""

    gateway_id: str
    connection_id: str


class Inbox:
    """Events for one user. `content` is what the fan-out script reads; `origins` stand beside its events."""

    __slots__ = ("content", "events", "origins", "progress", "typing")

    def __init__(self, user_id: str) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.progress: list[str | int] = []
        self.typing: list[str] = []
        self.origins: list[Origin | None] = []
        self.content = (user_id, self.events, self.progress, self.typing)


class Outbox:
    """Collects what a cycle has to say, until fan-out delivers it."""

    def __init__(self) -> None:
        self.inboxes: dict[str, Inbox] = {}
        self.last_messages: dict[str, tuple[Any, ...]] = {}
        self.directs: list[tuple[str, str, str, str]] = []
        self.completed: list[tuple[str, int]] = []
        self.blocks: list[BlockChanged] = []

    def inbox(self, user_id: str) -> Inbox:
        """The user's part."""
        inbox = self.inboxes.get(user_id)
        if inbox is None:
            inbox = self.inboxes[user_id] = Inbox(user_id)
        return inbox

    def refuse(self, asker: Asker, code: ErrorCode, ref: ErrorReference | None = None) -> None:
        """Answer a command with an error."""
        text = json_encoder.encode(error_event(code, ref=ref)).decode()
        self.directs.append((asker.gateway_id, asker.connection_id, text, ""))

    def answer(self, asker: Asker, user_id: str, event: msgspec.Struct) -> None:
        """Answer a command with an event, which the user's other connections get too."""
        self.directs.append((asker.gateway_id, asker.connection_id, json_encoder.encode(event).decode(), user_id))
