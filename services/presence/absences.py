"""Users as those see them from whom a block parts them: absent, as of when the block began, however often they are asked for.

`lua/publish.lua` notes that time when it tells of the absence. It is kept in Redis beside the time it is taken from, and is
null when that server lost its memory: so it is for a friend who is absent and stays so.
"""

import asyncio
from collections.abc import Sequence

from shared.protocol import keys
from shared.protocol.codec import instant_of_ms
from shared.protocol.payloads import UserStatus
from shared.redis import Shards


class Absences:
    """Reads and ends them. Every method raises RedisError."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def of(self, user_ids: Sequence[str], viewer: str) -> dict[str, UserStatus]:
        """User → status that `viewer` sees, of each of these."""
        groups = self._shards.split(user_ids)
        answers = await asyncio.gather(*(self._read(index, users, viewer) for index, users in groups.items()))
        return {status.user_id: status for part in answers for status in part}

    async def end(self, one: str, other: str) -> None:
        """Forget how each saw the other, after no block parts them any more."""
        for user, viewer in ((one, other), (other, one)):
            await self._shards.of(user).hdel(keys.key(keys.ABSENCES, user), viewer)

    async def _read(self, index: int, users: list[str], viewer: str) -> list[UserStatus]:
        async with self._shards.at(index).pipeline(transaction=False) as pipe:
            for user in users:
                pipe.hget(keys.key(keys.ABSENCES, user), viewer)
            seen: list[bytes | None] = await pipe.execute()
        return [
            UserStatus(user, False, "offline", instant_of_ms(int(at) * 1000) if at else None)
            for user, at in zip(users, seen, strict=True)
        ]
