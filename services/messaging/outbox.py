"""What one cycle has to say: events by receiver, answers by connection, completions by gateway.

It is kept in the flat lists that the fan-out script reads (`lua/fanout.lua` says what stands in each).
"""

from typing import Any, NamedTuple

import msgspec

from services.messaging.indicators import Indicator
from services.messaging.messages import Appended
from shared.protocol import keys
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.errors import ErrorCode, ErrorReference, error_event
from shared.protocol.payloads import Message
from shared.protocol.relay import BlockChanged, SendMessage
from shared.redis import Shards

NOBODY = ""
"""The other side of an event that concerns the user's own devices: a block never hides it."""


class Asker(NamedTuple):
    """The connection that a command came from, and its gateway."""

    gateway_id: str
    connection_id: str


class Count(NamedTuple):
    """A user's unread messages in a conversation, and the version of that count."""

    conversation_id: str
    unread: int
    version: int


class Origin(NamedTuple):
    """The message that an event announces."""

    send: SendMessage
    appended: Appended


class Newest:
    """The newest message of a conversation in this outbox, and which one must have been delivered before it.

    `follows`: the seq of the first new one, when the message before it is so young that another replica may be about to
    deliver it; else 0.
    """

    __slots__ = ("follows", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.follows: int | None = None

    def see(self, message: Message, appended: Appended) -> None:
        """A message of the conversation, and how it was stored."""
        if message.seq > self.message.seq:
            self.message = message
        if self.follows is None and appended.verdict == "new":
            self.follows = message.seq if appended.lively else 0

    @property
    def delivered_key(self) -> str:
        """Where Redis remembers which message was delivered."""
        return keys.key(keys.DELIVERED, self.message.conversation_id)

    def flat(self) -> tuple[str | int, ...]:
        """What the fan-out script reads."""
        message = self.message
        return (
            keys.key(keys.LAST_MESSAGE, message.conversation_id),
            message.seq,
            self.follows or 0,
            message.id,
            message.sender_id,
            message.content or "",
            message.type,
            message.created_at,
        )


class Counters:
    """The unread counters that events change: keys and places, as the fan-out script reads them."""

    __slots__ = ("flat", "totals", "users")

    def __init__(self) -> None:
        self.totals: list[str] = []
        self.users: list[str] = []
        self.flat: list[str | int] = []

    def add_total(self, user_id: str) -> int:
        """The place, from 1, of a user's total."""
        self.totals.append(keys.key(keys.UNREAD_TOTAL, user_id))
        self.users.append(user_id)
        return len(self.totals)

    def add(self, user_id: str, conversation_id: str, total: int) -> int:
        """The place, from 1, of a user's counter in a conversation, which is part of `total`."""
        self.flat += (
            keys.key(keys.UNREAD_CONVERSATION, user_id, conversation_id),
            keys.key(keys.UNREAD_VERSION, user_id, conversation_id),
            total,
        )
        return len(self.flat) // 3


class Inbox:
    """Events for one user, in order. Knows the counters, not its part: a cycle would leave all of it to the collector."""

    __slots__ = ("_counters", "_places", "_total", "events", "origins", "texts", "user_id")

    def __init__(self, counters: Counters, user_id: str) -> None:
        self._counters = counters
        self._total = 0
        self._places: dict[str, int] = {}
        self.user_id = user_id
        self.texts: list[bytes] = []
        self.events: list[Any] = []
        self.origins: list[Origin | None] = []

    def add(self, text: bytes, peer_id: str) -> None:
        """An event, without its closing brace. `peer_id`: who is on its other side."""
        self.texts.append(text)
        self.events += (peer_id, False, 0, 0, 0)
        self.origins.append(None)

    def add_counted(self, text: bytes, peer_id: str, count: Count, origin: Origin | None = None) -> None:
        """An event that ends with the user's unread total, and stops before it.

        With an origin it is notifiable: a push notification may be sent for it.
        """
        counter = self._places.get(count.conversation_id) or self._new_counter(count.conversation_id)
        self.texts.append(text)
        self.events += (peer_id, origin is not None, counter, count.unread, count.version)
        self.origins.append(origin)

    def _new_counter(self, conversation_id: str) -> int:
        if not self._total:
            self._total = self._counters.add_total(self.user_id)
        place = self._places[conversation_id] = self._counters.add(self.user_id, conversation_id, self._total)
        return place


class Part:
    """What concerns the keys of one Redis server. `trace`: the traceparent of the cycle, or ''."""

    def __init__(self, trace: str) -> None:
        self.trace = trace
        self.inboxes: dict[str, Inbox] = {}
        self.counters = Counters()
        self.progress: list[str | int] = []
        self.typing: dict[str, Indicator] = {}
        self.newest: dict[str, Newest] = {}

    @property
    def empty(self) -> bool:
        """True when there is nothing to deliver or to keep."""
        return not (self.inboxes or self.progress or self.newest)

    def inbox(self, user_id: str) -> Inbox:
        """The user's inbox."""
        inbox = self.inboxes.get(user_id)
        if inbox is None:
            inbox = self.inboxes[user_id] = Inbox(self.counters, user_id)
        return inbox

    def see(self, message: Message, appended: Appended) -> None:
        """A message of a conversation whose keys are here."""
        known = self.newest.get(message.conversation_id)
        if known is None:
            known = self.newest[message.conversation_id] = Newest(message)
        known.see(message, appended)

    def origins(self) -> list[Origin | None]:
        """What stands behind each event, in the order in which the script numbers them."""
        return [origin for inbox in self.inboxes.values() for origin in inbox.origins]

    def texts(self) -> list[bytes]:
        """The events' texts, in the order in which the script numbers them."""
        return [text for inbox in self.inboxes.values() for text in inbox.texts]

    def encode(self, tag: str, directs: list[str], completed: list[str | int]) -> bytes:
        """The first argument of the fan-out script: everything but the texts."""
        events: list[Any] = []
        for user_id, inbox in self.inboxes.items():
            events += (user_id, len(inbox.origins))
            events += inbox.events
        last_messages = [value for newest in self.newest.values() for value in newest.flat()]
        return msgpack_encoder.encode(
            (
                tag,
                self.trace,
                events,
                self.counters.totals,
                self.counters.flat,
                self.progress,
                list(self.typing),
                [newest.delivered_key for newest in self.newest.values()],
                last_messages,
                directs,
                completed,
            )
        )


class Outbox:
    """Collects what a cycle has to say, until fan-out delivers it. `trace`: its traceparent, or ''."""

    def __init__(self, shards: Shards, trace: str = "") -> None:
        self._index_of = shards.index_of
        self.trace = trace
        self.parts = [Part(trace) for _ in range(len(shards))]
        self.directs: list[str] = []
        self.completed: list[str | int] = []
        self.blocks: list[BlockChanged] = []

    def take_conversations(self) -> list[Part]:
        """Parts that hold the newest messages alone; those that stay no longer do."""
        parts = [Part(self.trace) for _ in self.parts]
        for taken, part in zip(parts, self.parts, strict=True):
            taken.newest, part.newest = part.newest, {}
        return parts

    def part_of(self, name: str) -> Part:
        """The part with the keys of a user or a conversation."""
        return self.parts[self._index_of(name)]

    def inbox(self, user_id: str) -> Inbox:
        """The user's inbox."""
        return self.parts[self._index_of(user_id)].inbox(user_id)

    def refuse(self, asker: Asker, code: ErrorCode, ref: ErrorReference, message: str | None = None) -> None:
        """Answer a command with an error, and its default message unless one is given."""
        text = json_encoder.encode(error_event(code, message, ref=ref)).decode()
        self.directs += (asker.gateway_id, asker.connection_id, text, "")

    def answer(self, asker: Asker, user_id: str, event: msgspec.Struct) -> None:
        """Answer a command with an event, which the user's other connections get too."""
        self.directs += (asker.gateway_id, asker.connection_id, json_encoder.encode(event).decode(), user_id)

    def complete(self, gateway_id: str, batch_id: int) -> None:
        """All commands of the batch are answered."""
        self.completed += (gateway_id, batch_id)
