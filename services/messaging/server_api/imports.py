"""Imports the messages of an earlier system: without events, with their own times, in the given order."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

import asyncpg
from uuid_utils import uuid7

from services.messaging.stores.pairs import pair_of
from services.messaging.stores.sql import IMPORT_CONVERSATIONS, IMPORT_MESSAGES
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.requests import ImportedMessage
from shared.redis import Partitions

ATTEMPTS: Final = 8
"""Attempts to store. A live message with the same key may win the race; the next attempt then finds it."""
_LOCK: Final = "SELECT FROM messaging.conversations WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


class _Placed(NamedTuple):
    """The conversation that an imported item belongs to, and the item's time."""

    conversation_id: str
    low: str
    high: str
    at: datetime

    @classmethod
    def of(cls, users: tuple[str, str], at_ms: int) -> Self:
        pair = pair_of(*users)
        return cls(pair.conversation_id, *pair, datetime.fromtimestamp(at_ms / 1000, UTC))


class Imports:
    """Imports conversations and messages.

    Every method raises what asyncpg and redis raise. It may be repeated: items that exist already are reported as not new.
    """

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        self._pool = pool
        self._partitions = partitions

    async def conversations(self, given: Sequence[tuple[str, str, int]]) -> list[bool]:
        """Create missing conversations (users, Unix ms). Returns for each whether it is new."""
        placed = [_Placed.of((one, other), at_ms) for one, other, at_ms in given]
        made = await self._pool.fetch(IMPORT_CONVERSATIONS, *_conversation_columns(placed))
        fresh = {row["id"] for row in made}
        result = []
        for each in placed:
            result.append(each.conversation_id in fresh)
            fresh.discard(each.conversation_id)
        return result

    async def messages(self, messages: Sequence[ImportedMessage]) -> list[bool]:
        """Store messages, and their conversations where missing. Returns for each message whether it is new."""
        placed = [_Placed.of(message.users, message.created_at_ms) for message in messages]
        names = [(at.conversation_id, m.sender_id, m.temp_id) for at, m in zip(placed, messages, strict=True)]
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        places = [place for place, name in enumerate(names) if first[name] == place]
        for attempt in range(ATTEMPTS):
            try:
                new = await self._store([messages[place] for place in places], [placed[place] for place in places])
                break
            except asyncpg.UniqueViolationError:
                if attempt == ATTEMPTS - 1:
                    raise
        await self._forget_latest({each.conversation_id for each in placed})
        known = dict(zip(places, new, strict=True))
        return [known.get(place, False) for place in range(len(messages))]

    async def _store(self, messages: Sequence[ImportedMessage], placed: Sequence[_Placed]) -> list[bool]:
        ids = [each.conversation_id for each in placed]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(IMPORT_CONVERSATIONS, *_conversation_columns(placed))
            await connection.execute(_LOCK, list(set(ids)))
            rows = await connection.fetch(
                IMPORT_MESSAGES,
                [str(uuid7()) for _ in messages],
                ids,
                [message.sender_id for message in messages],
                [message.temp_id for message in messages],
                [message.type for message in messages],
                [message.content for message in messages],
                [message.media for message in messages],
                [message.metadata for message in messages],
                [each.at for each in placed],
            )
        return [row["is_new"] for row in rows]

    async def _forget_latest(self, conversation_ids: set[str]) -> None:
        """Delete Redis' copies of the conversations' last messages."""
        for index, names in self._partitions.split(conversation_ids).items():
            partition = self._partitions.at(index)
            copies = [partition.key(prefix, name) for name in names for prefix in (keys.LAST_MESSAGE, keys.DELIVERED)]
            await partition.client.unlink(*copies)


def _conversation_columns(placed: Iterable[_Placed]) -> tuple[list[str], list[str], list[str], list[datetime]]:
    """Return the columns ids, lower users, higher users, times. Of several items of one conversation the first counts."""
    first: dict[str, _Placed] = {}
    for each in placed:
        first.setdefault(each.conversation_id, each)
    ids, lows, highs, times = zip(*first.values(), strict=True) if first else ((), (), (), ())
    return list(ids), list(lows), list(highs), list(times)
