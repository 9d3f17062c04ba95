"""The changes of one cycle in one partition of Redis, as flat lists in the layout of the fan-out script (`lua/effects.lua`)."""

from typing import Any

from services.messaging.fanout.latest_message import LatestMessage
from services.messaging.fanout.message_changes import MessageChanges
from services.messaging.fanout.unread_counters import UnreadCounters
from services.messaging.fanout.user_events import AnnouncedMessage, UserEvents
from services.messaging.stores.messages import Appended
from services.messaging.typing_indicators.indicators import Indicator
from shared.protocol.codec import msgpack_encoder
from shared.protocol.payloads import Message
from shared.redis import Key


class PartitionEffects:
    """Changes in one partition of Redis.

    `key` makes full keys of that partition. `trace`: the traceparent of the cycle, or ''.
    """

    def __init__(self, trace: str, key: Key) -> None:
        self.trace = trace
        self.key = key
        self.users: dict[str, UserEvents] = {}
        self.counters = UnreadCounters(key)
        self.progress: list[str | int] = []
        self.typing: dict[str, Indicator] = {}
        self.latest: dict[str, LatestMessage] = {}
        self.changes = MessageChanges(key)

    @property
    def empty(self) -> bool:
        """Return True when there is nothing to deliver or to store."""
        return not (self.users or self.progress or self.latest or self.changes.encode())

    def events_for(self, user_id: str) -> UserEvents:
        """Return the events of this user."""
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = UserEvents(self.counters, user_id)
        return user

    def add_message(self, message: Message, appended: Appended) -> None:
        """Add a message of a conversation whose keys lie in this partition."""
        known = self.latest.get(message.conversation_id)
        if known is None:
            known = self.latest[message.conversation_id] = LatestMessage(message, self.key)
        known.add(message, appended)

    def announced(self) -> list[AnnouncedMessage | None]:
        """Return the message that each event announces, or None, in the script's numbering of events."""
        return [message for user in self.users.values() for message in user.announced]

    def texts(self) -> list[bytes]:
        """Return the events' texts, in the script's numbering."""
        return [text for user in self.users.values() for text in user.texts]

    def encode(self, tag: str, connection_events: list[str], completed: list[str | int]) -> bytes:
        """Return the first argument of the fan-out script: everything but the texts."""
        events: list[Any] = []
        for user_id, user in self.users.items():
            events += (user_id, len(user.announced))
            events += user.events
        last_messages = [value for latest in self.latest.values() for value in latest.encode()]
        return msgpack_encoder.encode(
            (
                tag,
                self.trace,
                events,
                self.counters.totals,
                self.counters.flat,
                self.progress,
                list(self.typing),
                [latest.delivered_key for latest in self.latest.values()],
                last_messages,
                connection_events,
                completed,
                self.changes.encode(),
                self.counters.supplied,
            )
        )
