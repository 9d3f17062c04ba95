"""Finds users: by name, and as partners of recent conversations."""

from collections.abc import Sequence

from services.messaging.stores.sql import FIND_USERS, RECENT_PARTNERS
from shared.directory import Directory, Profile
from shared.postgres import Pool
from shared.protocol.text import is_storable, username_key


class People:
    """Finds users. It never returns a user with a block in either direction. Raises what asyncpg raises."""

    def __init__(self, pool: Pool, directory: Directory) -> None:
        self._pool = pool
        self._directory = directory

    async def named(self, user_id: str, username: str) -> Profile | None:
        """Return the user with this username, or None when there is none or a block is in force."""
        found = await self._directory.find_by_username(username)
        if found is None or found.user_id == user_id:
            return found
        blocked = await self._pool.fetchval(
            "SELECT 1 FROM messaging.blocks WHERE active AND (blocker, blocked) IN (($1::uuid, $2::uuid), ($2::uuid, $1::uuid))",
            user_id,
            found.user_id,
        )
        return None if blocked else found

    async def beginning_with(self, user_id: str, prefix: str, most: int) -> list[Profile]:
        """Return at most `most` other users whose usernames begin with `prefix`, sorted by name."""
        if not is_storable(prefix):
            return []
        rows = await self._pool.fetch(FIND_USERS, user_id, username_key(prefix), most)
        return [Profile(**row) for row in rows]

    async def recent_partners(self, user_id: str, most: int) -> Sequence[str]:
        """Return the other participants of at most `most` recently active conversations."""
        return [row["partner"] for row in await self._pool.fetch(RECENT_PARTNERS, user_id, most)]
