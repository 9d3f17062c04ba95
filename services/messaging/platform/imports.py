"""Takes over the messages of an earlier system: silently, with their own times, in the order in which they are given."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg
from uuid_utils import uuid7

from services.messaging.stores.pairs import pair_of
from services.messaging.stores.sql import IMPORT_CONVERSATIONS, IMPORT_MESSAGES
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.requests import ImportedMessage
from shared.redis import Partitions

ATTEMPTS: Final = 8
"""A live message with the same key may win the race for it; then it is found the next time."""
_LOCK: Final = "SELECT FROM messaging.conversations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


class Imports:
    """Every method raises what asyncpg and redis raise, and may be repeated: what is there already is not new."""

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        self._pool = pool
        self._partitions = partitions

    async def conversations(self, given: Sequence[tuple[str, str, int]]) -> list[bool]:
        """Make conversations (users, Unix ms) where there are none. Says of each whether it is new."""
        made = await self._pool.fetch(IMPORT_CONVERSATIONS, *_conversation_columns(given))
        fresh = {row["id"] for row in made}
        result = []
        for one, other, _ in given:
            conversation_id = pair_of(one, other).conversation_id
            result.append(conversation_id in fresh)
            fresh.discard(conversation_id)
        return result

    async def messages(self, messages: Sequence[ImportedMessage]) -> list[bool]:
        """Store messages, and the conversations that they lack. Says of each whether it is new."""
        ids = [pair_of(*message.users).conversation_id for message in messages]
        names = [(conversation_id, m.sender_id, m.temp_id) for conversation_id, m in zip(ids, messages, strict=True)]
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        places = [place for place, name in enumerate(names) if first[name] == place]
        for attempt in range(ATTEMPTS):
            try:
                new = await self._store([messages[place] for place in places], [ids[place] for place in places])
                break
            except asyncpg.UniqueViolationError:
                if attempt == ATTEMPTS - 1:
                    raise
        await self._forget_latest(set(ids))
        known = dict(zip(places, new, strict=True))
        return [known.get(place, False) for place in range(len(messages))]

    async def _store(self, messages: Sequence[ImportedMessage], ids: Sequence[str]) -> list[bool]:
        async with self._pool.acquire() as connection, connection.transaction():
            pairs = [(*message.users, message.created_at_ms) for message in messages]
            await connection.execute(IMPORT_CONVERSATIONS, *_conversation_columns(pairs))
            await connection.execute(_LOCK, list(set(ids)))
            rows = await connection.fetch(
                IMPORT_MESSAGES,
                [str(uuid7()) for _ in messages],
                list(ids),
                [message.sender_id for message in messages],
                [message.temp_id for message in messages],
                [message.type for message in messages],
                [message.content for message in messages],
                [message.media for message in messages],
                [message.metadata for message in messages],
                [_at(message.created_at_ms) for message in messages],
            )
        return [row["is_new"] for row in rows]

    async def _forget_latest(self, conversation_ids: set[str]) -> None:
        """Redis' copies of the last messages are void."""
        for index, names in self._partitions.split(conversation_ids).items():
            partition = self._partitions.at(index)
            async with partition.client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.delete(partition.key(keys.LAST_MESSAGE, name), partition.key(keys.DELIVERED, name))
                await pipe.execute()


def _conversation_columns(
    given: Sequence[tuple[str, str, int]],
) -> tuple[list[str], list[str], list[str], list[datetime]]:
    """Ids, lower users, higher users, times; the first of each conversation counts."""
    first: dict[str, tuple[str, str, datetime]] = {}
    for one, other, at_ms in given:
        pair = pair_of(one, other)
        first.setdefault(pair.conversation_id, (pair.low, pair.high, _at(at_ms)))
    return (
        list(first),
        [low for low, _, _ in first.values()],
        [high for _, high, _ in first.values()],
        [at for _, _, at in first.values()],
    )


def _at(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
