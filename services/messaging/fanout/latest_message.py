"""The latest message of a conversation in a cycle: the content of `last_msg:…`, and the order of delivery."""

from services.messaging.stores.messages import Appended
from shared.protocol import keys
from shared.protocol.payloads import Message
from shared.redis import Key


class LatestMessage:
    """The newest message of a conversation in this cycle, and the seq before which all must have been delivered.

    `follows`: the seq of the cycle's first message, when the message before it is so recent that another replica may still be
    delivering it; else 0. `key` makes whole keys of the conversation's partition.
    """

    __slots__ = ("_key", "follows", "message")

    def __init__(self, message: Message, key: Key) -> None:
        self._key = key
        self.message = message
        self.follows: int | None = None

    def add(self, message: Message, appended: Appended) -> None:
        """Add a message of the conversation, with the result of storing it."""
        if message.seq > self.message.seq:
            self.message = message
        if self.follows is None and appended.verdict == "new":
            self.follows = message.seq if appended.lively else 0

    @property
    def delivered_key(self) -> str:
        """Return the key under which Redis has the newest delivered seq."""
        return self._key(keys.DELIVERED, self.message.conversation_id)

    def encode(self) -> tuple[str | int, ...]:
        """Return the fields in the order of the fan-out script."""
        message = self.message
        return (
            self._key(keys.LAST_MESSAGE, message.conversation_id),
            message.seq,
            self.follows or 0,
            message.id,
            message.sender_id or "",
            message.content or "",
            message.type,
            message.created_at,
        )
