"""Changes of messages to apply in Redis, in the layout of the fan-out script (`lua/effects.lua`)."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.protocol import keys, relay
from shared.redis import Key


class DeletedMessage(NamedTuple):
    """A message whose content must be removed from the inboxes of these users."""

    conversation_id: str
    seq: int
    deleted_at: str
    user_ids: tuple[str, ...]


class MessageChanges:
    """The changes in one partition of Redis. `key` makes full keys of that partition."""

    __slots__ = ("_key", "_last_contents", "_pushes", "_recounts", "_versions")

    def __init__(self, key: Key) -> None:
        self._key = key
        self._versions: list[str | int] = []
        self._pushes: list[str | int] = []
        self._last_contents: list[str | int] = []
        self._recounts: list[int] = []

    def show(self, user_id: str, conversation_id: str, seq: int, version: int) -> None:
        """Note that the user is shown a change. The script refuses events with an older version of the message from now on."""
        self._versions += (user_id, f"{conversation_id}:{seq}", version)

    def change_push(self, message_id: str, created_at: datetime, content: str | None) -> None:
        """Change the text of a push that waits. None: the push is not sent."""
        if created_at < datetime.now(UTC) - timedelta(seconds=keys.CHANGED_SECONDS):
            return
        text = keys.CHANGED_DELETED if content is None else keys.CHANGED_TEXT + content[: relay.MAX_PREVIEW_CHARACTERS]
        self._pushes += (self._key(keys.CHANGED, message_id), text, keys.CHANGED_SECONDS)

    def change_last(self, conversation_id: str, seq: int, version: int, message_id: str, content: str) -> None:
        """Change the content of the conversation's last message, if it is this one."""
        key, versions = self._key(keys.LAST_MESSAGE, conversation_id), self._key(keys.MESSAGE_VERSIONS, conversation_id)
        self._last_contents += (key, versions, f"{conversation_id}:{seq}", version, message_id, content)

    def take_last_contents(self) -> "MessageChanges":
        """Move only the changes of last messages into a new object."""
        taken = MessageChanges(self._key)
        taken._last_contents, self._last_contents = self._last_contents, []
        return taken

    def recount(self, counter: int, count: int, version: int) -> None:
        """Change a counter without an event. `counter`: its index (`UnreadCounters.add`)."""
        self._recounts += (counter, count, version)

    def encode(self) -> tuple[list[str | int] | list[int], ...]:
        """Return the changes in the layout of the fan-out script."""
        if not (self._versions or self._last_contents or self._recounts):
            return ()
        return self._versions, self._pushes, self._last_contents, self._recounts
