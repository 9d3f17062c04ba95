"""Users by id and by name, created and updated from token claims."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import asyncpg

from shared.auth.principal import Principal
from shared.directory.profile import Profile
from shared.postgres import Pool, load_sql
from shared.protocol.codec import is_uuid

ATTEMPTS: Final = 3

_COLUMNS: Final = "id::text AS user_id, username, display_name, avatar"
_ENSURE: Final = load_sql("shared.directory", "ensure_user")
_ENSURE_ALL: Final = load_sql("shared.directory", "ensure_users")
_RELEASE: Final = load_sql("shared.directory", "release_username")
_UPDATE: Final = load_sql("shared.directory", "update_profile")


class Directory:
    """The users' table.

    The claims of each token are compared with the stored row every time. Nothing is cached in the process, because another
    process may have seen a later token.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ensure(self, principal: Principal) -> None:
        """Store the claims about the subject of a token, unless they are stored. Raises what asyncpg raises."""
        await self.ensure_all([principal])

    async def ensure_all(self, principals: Iterable[Principal]) -> None:
        """The same for many subjects, in one statement when nobody changed. Raises what asyncpg raises."""
        wanted = await self._without_foreign_ids({principal.user_id: principal for principal in principals})
        rows = await self._pool.fetch(
            _ENSURE_ALL,
            list(wanted),
            [principal.username for principal in wanted.values()],
            [principal.name for principal in wanted.values()],
            [principal.picture for principal in wanted.values()],
        )
        for row in rows:
            del wanted[row["user_id"]]
        for principal in wanted.values():
            await self._store(principal)

    async def find_by_username(self, username: str) -> Profile | None:
        """The user with this username, or None."""
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM directory.users WHERE username = $1", username)  # noqa: S608
        return None if row is None else Profile(**row)

    async def find(self, user_id: str) -> Profile | None:
        """The user with this id, or None."""
        return (await self.profiles([user_id])).get(user_id)

    async def profiles(self, user_ids: Iterable[str]) -> dict[str, Profile]:
        """User id → profile, of the users that exist."""
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

    async def _without_foreign_ids(self, principals: dict[str, Principal]) -> dict[str, Principal]:
        """The same, without usernames that are ids of other users: a user without a username is shown by its id."""
        named = {each.username for each in principals.values() if each.username and each.username != each.user_id}
        foreign = {name for name in named if is_uuid(name)}
        if not foreign:
            return principals
        known = foreign.intersection(principals) | (await self.profiles(foreign)).keys()
        return {
            user_id: replace(each, username=None) if each.username in known - {user_id} else each
            for user_id, each in principals.items()
        }

    async def _store(self, principal: Principal) -> None:
        """Store one user. When two claim a username at once, the unique index refuses one; its retry takes it over."""
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(_RELEASE, principal.user_id, principal.username)
                    await connection.execute(
                        _ENSURE, principal.user_id, principal.username, principal.name, principal.picture
                    )
                break
            except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                if attempt == ATTEMPTS - 1:
                    raise
