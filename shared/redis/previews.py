"""Stores the texts of waiting pushes in Redis and not at the broker, because a text can't be deleted from a queue."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.protocol import keys, relay
from shared.protocol.push import NEW_MESSAGE
from shared.redis.partitions import Partitions
from shared.redis.scripts import Script

_KEEP: Final = Script("shared.redis", "keep_previews")


class Previews:
    """The previews of messages whose pushes wait. Every method raises RedisError."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def keep(self, messages: Sequence[relay.Undelivered]) -> list[relay.Undelivered]:
        """Store the texts in Redis.

        Returns the messages without them, for the broker. A notifier of an older release, which doesn't read texts from
        Redis, shows «New message» instead.
        """
        parts: dict[int, list[str]] = {}
        for message in messages:
            if message.preview:
                part = parts.setdefault(self._partitions.index_of(message.receiver_id), [])
                part += (message.message_id, message.preview)
        for index, part in parts.items():
            await _KEEP(self._partitions.at(index), keys.PREVIEW_SECONDS, *part)
        return [
            msgspec.structs.replace(message, preview=NEW_MESSAGE) if message.preview else message
            for message in messages
        ]

    async def find(self, message: relay.Undelivered) -> str | None:
        """Return the beginning of the message's current text, or None when the message was deleted or the text has expired."""
        partition = self._partitions.of(message.receiver_id)
        names = [partition.key(prefix, message.message_id) for prefix in (keys.CHANGED, keys.PREVIEW)]
        found: list[Any] = await partition.client.mget(names)
        changed, kept = (None if value is None else bytes(value).decode() for value in found)
        if changed is not None:
            return None if changed == keys.CHANGED_DELETED else changed.removeprefix(keys.CHANGED_TEXT)
        # A replica of an older release sent the text in the request.
        return message.preview if kept is None and message.preview != NEW_MESSAGE else kept
