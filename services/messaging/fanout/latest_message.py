"""The latest message of a conversation in a cycle: what `last_msg:…` shows, and whose turn it is to be delivered."""

from services.messaging.stores.messages import Appended
from shared.protocol import keys
from shared.protocol.payloads import Message
from shared.redis import Key


class LatestMessage:
    """The newest message of a conversation in this cycle, and which one must have been delivered before it.

    `follows`: the seq of the first new one, when the message before it is so young that another replica may be about to
    deliver it; else 0. `key` makes whole keys of the conversation's partition.
    """

    __slots__ = ("_key", "follows", "message")

    def __init__(self, message: Message, key: Key) -> None:
        self._key = key
        self.message = message
        self.follows: int | None = None

    def add(self, message: Message, appended: Appended) -> None:
        """Note a message of the conversation, and how it was stored."""
        if message.seq > self.message.seq:
            self.message = message
        if self.follows is None and appended.verdict == "new":
            self.follows = message.seq if appended.lively else 0

    @property
    def delivered_key(self) -> str:
        """Where Redis remembers which message was delivered."""
        return self._key(keys.DELIVERED, self.message.conversation_id)

    def encode(self) -> tuple[str | int, ...]:
        """What the fan-out script reads."""
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
