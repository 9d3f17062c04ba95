"""The durable events of one cycle for one user."""

from typing import Any, NamedTuple

from services.messaging.fanout.unread_counters import UnreadCounters
from services.messaging.stores.messages import Appended
from shared.protocol.relay import SendMessage

NOBODY = ""
"""The peer of an event that concerns only the user's own devices. A block never hides such an event."""


class Count(NamedTuple):
    """A user's unread messages in a conversation, and the version of that count."""

    conversation_id: str
    unread: int
    version: int


class AnnouncedMessage(NamedTuple):
    """The message that an event announces."""

    send: SendMessage
    appended: Appended


class UserEvents:
    """Events for one user, in order.

    It refers to the counters and not to the whole partition, because a reference cycle would leave all of it to the garbage
    collector.
    """

    __slots__ = ("_counters", "_places", "_total", "announced", "events", "texts", "user_id")

    def __init__(self, counters: UnreadCounters, user_id: str) -> None:
        self._counters = counters
        self._total = 0
        self._places: dict[str, int] = {}
        self.user_id = user_id
        self.texts: list[bytes] = []
        self.events: list[Any] = []
        self.announced: list[AnnouncedMessage | None] = []

    def add(self, text: bytes, peer_id: str, version: int = 0) -> None:
        """Add an event, without its closing brace. `peer_id`: the other participant.

        `version`: the conversation's when the message in the event was read; 0 when the event shows no message.
        """
        self.texts.append(text)
        self.events += (peer_id, False, 0, 0, version)
        self.announced.append(None)

    def add_counted(self, text: bytes, peer_id: str, count: Count, announces: AnnouncedMessage | None = None) -> None:
        """Add an event that ends with the user's unread total. `text` stops before the total.

        An event that announces a message is notifiable: a push may be sent for it.
        """
        counter = self.counter(count.conversation_id)
        self.texts.append(text)
        self.events += (peer_id, announces is not None, counter, count.unread, count.version)
        self.announced.append(announces)

    def counter(self, conversation_id: str) -> int:
        """Return the index of the user's counter in a conversation."""
        return self._places.get(conversation_id) or self._new_counter(conversation_id)

    def _new_counter(self, conversation_id: str) -> int:
        if not self._total:
            self._total = self._counters.add_total(self.user_id)
        place = self._places[conversation_id] = self._counters.add(self.user_id, conversation_id, self._total)
        return place
