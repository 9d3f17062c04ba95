"""Users' statuses, as friends have been told them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from shared.protocol.codec import instant_of_ms
from shared.protocol.payloads import UserStatus
from shared.redis import Script, Shards

_STATUSES: Final = Script("services.presence", "state", "statuses")


class Statuses:
    """Reads statuses from the users' Redis servers."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def of(self, user_ids: Sequence[str]) -> dict[str, UserStatus]:
        """User → status, of each of these. Raises RedisError."""
        groups = self._shards.split(user_ids)
        answers = await asyncio.gather(*(_STATUSES(self._shards.at(index), *users) for index, users in groups.items()))
        statuses: dict[str, UserStatus] = {}
        for users, rows in zip(groups.values(), answers, strict=True):
            for user, (status, seen) in zip(users, rows, strict=True):
                last_seen = None if seen is None else instant_of_ms(seen * 1000)
                statuses[user] = UserStatus(user, status != b"offline", status.decode(), last_seen)
        return statuses
