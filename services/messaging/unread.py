"""Unread counts: PostgreSQL has the truth, Redis a copy that is guarded by versions and rebuilt when it is missing."""

from typing import Final

from services.messaging.sql import UNREAD
from shared.postgres import Pool
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Shards

_REBUILD: Final = Script("services.messaging", "unread")


class UnreadCounts:
    """The unread messages of users."""

    def __init__(self, pool: Pool, shards: Shards) -> None:
        self._pool = pool
        self._shards = shards

    async def rebuild(self, user_ids: list[str]) -> None:
        """Put the users' counts into Redis. Counts there that are newer stay. Raises what asyncpg and redis raise."""
        rows = await self._pool.fetch(UNREAD, user_ids)
        counts: dict[str, list[str | int]] = {user_id: [] for user_id in user_ids}
        for user_id, conversation_id, unread, version in rows:
            counts[user_id] += (conversation_id, unread, version)
        for user_id, known in counts.items():
            await _REBUILD(self._shards.of(user_id), user_id, msgpack_encoder.encode(known))

    async def of(self, user_id: str) -> dict[str, int]:
        """Conversation → unread messages, of the user's conversations that have any, from PostgreSQL."""
        rows = await self._pool.fetch(UNREAD, [user_id])
        return {conversation_id: unread for _, conversation_id, unread, _ in rows if unread}
