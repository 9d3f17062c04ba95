"""Reads users' statuses, as others see them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from shared.protocol import keys
from shared.protocol.codec import instant_of_ms
from shared.protocol.payloads import UserStatus
from shared.redis import Partitions, Script

_STATUSES: Final = Script("services.presence", "state", "statuses")


class Statuses:
    """Reads statuses from the users' Redis servers. Every method raises RedisError.

    A blocked pair sees each other as offline since the block. `lua/publish.lua` stores that time when the block begins. It is
    null after the server lost its data.
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def of(self, user_ids: Sequence[str]) -> dict[str, UserStatus]:
        """Return user → the status that friends see. Users whose status can't be known now are left out."""
        groups = self._partitions.split(user_ids)
        answers = await asyncio.gather(
            *(_STATUSES(self._partitions.at(index), *users) for index, users in groups.items())
        )
        statuses: dict[str, UserStatus] = {}
        for users, rows in zip(groups.values(), answers, strict=True):
            for user, (status, seen) in zip(users, rows, strict=True):
                if not status:
                    continue
                last_seen = None if seen is None else instant_of_ms(seen * 1000)
                statuses[user] = UserStatus(user, status != b"offline", status.decode(), last_seen)
        return statuses

    async def behind_block(self, user_ids: Sequence[str], viewer: str) -> dict[str, UserStatus]:
        """Return user → the status that `viewer` sees, for users with a block between them and `viewer`."""
        groups = self._partitions.split(user_ids)
        answers = await asyncio.gather(*(self._read_absences(index, users, viewer) for index, users in groups.items()))
        return {status.user_id: status for part in answers for status in part}

    async def forget_block(self, one: str, other: str) -> None:
        """Delete the stored times of a blocked pair, after the last block between them ended."""
        for user, viewer in ((one, other), (other, one)):
            partition = self._partitions.of(user)
            await partition.client.hdel(partition.key(keys.ABSENCES, user), viewer)

    async def _read_absences(self, index: int, users: list[str], viewer: str) -> list[UserStatus]:
        partition = self._partitions.at(index)
        async with partition.client.pipeline(transaction=False) as pipe:
            for user in users:
                pipe.hget(partition.key(keys.ABSENCES, user), viewer)
            seen: list[bytes | None] = await pipe.execute()
        return [
            UserStatus(user, False, "offline", instant_of_ms(int(at) * 1000) if at else None)
            for user, at in zip(users, seen, strict=True)
        ]
