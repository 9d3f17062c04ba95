"""Users by id and by name, created and updated from token claims."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import asyncpg

from shared.auth.principal import Principal
from shared.directory.profile import Profile
from shared.postgres import Pool, load_sql

MAX_REMEMBERED: Final = 100_000
ATTEMPTS: Final = 3

_COLUMNS: Final = "id::text AS user_id, username, display_name, avatar"
_ENSURE: Final = load_sql("shared.directory", "ensure_user")
_ENSURE_ALL: Final = load_sql("shared.directory", "ensure_users")
_RELEASE: Final = load_sql("shared.directory", "release_username")
_UPDATE: Final = load_sql("shared.directory", "update_profile")


class Directory:
    """The users' table. Remembers, bounded, which claims it has stored: a user that reconnects costs no statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stored: OrderedDict[str, tuple[str | None, str | None, str | None]] = OrderedDict()

    async def ensure(self, principal: Principal) -> None:
        """Store what the token says of its subject, unless it is stored. Raises what asyncpg raises.

        Two users that claim one name at once: the unique index refuses one, which then takes the name over.
        """
        if self.knows(principal):
            return
        for attempt in range(ATTEMPTS):
            try:
                await self._store(principal)
                break
            except asyncpg.UniqueViolationError:
                if attempt == ATTEMPTS - 1:
                    raise
        self._remember(principal)

    async def ensure_all(self, principals: Iterable[Principal]) -> None:
        """The same for many, in one statement unless somebody changed. Raises what asyncpg raises."""
        wanted = {principal.user_id: principal for principal in principals if not self.knows(principal)}
        if not wanted:
            return
        rows = await self._pool.fetch(
            _ENSURE_ALL,
            list(wanted),
            [principal.username or principal.user_id for principal in wanted.values()],
            [principal.name for principal in wanted.values()],
            [principal.picture for principal in wanted.values()],
        )
        for row in rows:
            self._remember(wanted.pop(row["user_id"]))
        for principal in wanted.values():
            await self.ensure(principal)

    def knows(self, principal: Principal) -> bool:
        """True when this process has stored what the token says."""
        if self._stored.get(principal.user_id) != _claims(principal):
            return False
        self._stored.move_to_end(principal.user_id)
        return True

    async def find_by_username(self, username: str) -> Profile | None:
        """The user of this name, or None."""
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM directory.users WHERE username = $1", username)  # noqa: S608
        return None if row is None else Profile(**row)

    async def find(self, user_id: str) -> Profile | None:
        """The user of this id, or None."""
        return (await self.profiles([user_id])).get(user_id)

    async def profiles(self, user_ids: Iterable[str]) -> dict[str, Profile]:
        """User id → profile, of those that are known."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM directory.users WHERE id = ANY($1::uuid[])",  # noqa: S608
            list(user_ids),
        )
        return {row["user_id"]: Profile(**row) for row in rows}

    async def update(
        self, user_id: str, *, display_name: str | None = None, avatar: str | None = None, clear_avatar: bool = False
    ) -> Profile:
        """Change the display name, the avatar, or both. Raises LookupError when there is no such user."""
        row = await self._pool.fetchrow(
            _UPDATE, user_id, display_name is not None, display_name, avatar is not None or clear_avatar, avatar
        )
        if row is None:
            raise LookupError(user_id)
        return Profile(**row)

    def _remember(self, principal: Principal) -> None:
        self._stored[principal.user_id] = _claims(principal)
        if len(self._stored) > MAX_REMEMBERED:
            self._stored.popitem(last=False)

    async def _store(self, principal: Principal) -> None:
        username = principal.username or principal.user_id
        async with self._pool.acquire() as connection, connection.transaction():
            current = await connection.fetchrow(
                "SELECT username, claim_name, claim_picture FROM directory.users WHERE id = $1", principal.user_id
            )
            if current is not None and tuple(current) == (username, principal.name, principal.picture):
                return
            await connection.execute(_RELEASE, principal.user_id, username)
            await connection.execute(_ENSURE, principal.user_id, username, principal.name, principal.picture)


def _claims(principal: Principal) -> tuple[str | None, str | None, str | None]:
    return principal.username, principal.name, principal.picture
