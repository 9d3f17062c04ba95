"""Users by id and by name, created and updated from token claims."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from shared.auth.principal import Principal
from shared.directory.profile import Profile
from shared.postgres import Pool, load_sql
from shared.protocol.codec import is_uuid
from shared.protocol.text import is_storable, username_key

log = structlog.get_logger(__name__)

ERASED_NAME: Final = "Deleted user"
ATTEMPTS: Final = 10
"""Attempts to store a user. Two users who swap usernames at the same time may deadlock; PostgreSQL then refuses one of them."""

_ENSURE: Final = load_sql("shared.directory", "ensure_user")
_ENSURE_ALL: Final = load_sql("shared.directory", "ensure_users")
_FIND_BY_USERNAME: Final = load_sql("shared.directory", "find_by_username")
_HOLDER: Final = load_sql("shared.directory", "holder_of_username")
_PROFILES: Final = load_sql("shared.directory", "profiles")
_RELEASE: Final = load_sql("shared.directory", "release_username")
_TAKE_CHANGES: Final = load_sql("shared.directory", "take_changes")
_KNOWN: Final = "SELECT id::text AS user_id FROM directory.users WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL"
_ERASE: Final = load_sql("shared.directory", "erase_user")
_UPDATE: Final = load_sql("shared.directory", "update_profile")


class Companion(NamedTuple):
    """A query that goes with a statement of the directory, to save a round trip.

    `sql` returns a user id and an array of texts for each user that it finds. Its parameters begin with $7, and have the values
    `arguments`.
    """

    sql: str
    arguments: Sequence[Any]


class Directory:
    """The users' table.

    It compares the claims of each token with the stored row. It caches nothing, because another process may have seen a later
    token.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ensure(self, principal: Principal) -> None:
        """Store the claims about the subject of a token, unless they are stored already. Raises what asyncpg raises."""
        await self.ensure_all([principal])

    async def ensure_all(
        self, principals: Iterable[Principal], companion: Companion | None = None
    ) -> dict[str, list[str]]:
        """Do the same for many subjects, in one statement when nobody changed. Raises what asyncpg raises.

        Returns what `companion` found: user id → texts.
        """
        wanted = await self._without_foreign_ids({principal.user_id: principal for principal in principals})
        rows = await self._pool.fetch(
            _ENSURE_ALL if companion is None else f"{_ENSURE_ALL}UNION ALL\n{companion.sql}",
            list(wanted),
            [principal.username for principal in wanted.values()],
            [_key_of(principal) for principal in wanted.values()],
            [principal.name for principal in wanted.values()],
            [principal.picture for principal in wanted.values()],
            [principal.issued_at for principal in wanted.values()],
            *(() if companion is None else companion.arguments),
        )
        found: dict[str, list[str]] = {}
        for user_id, texts in rows:
            if texts is None:
                del wanted[user_id]
            else:
                found[user_id] = texts
        for principal in wanted.values():
            await self._store(principal)
        return found

    async def find_by_username(self, username: str) -> Profile | None:
        """Return the user with this username, or None. Case and compatible characters are ignored (`username_key`)."""
        if not is_storable(username):
            return None
        row = await self._pool.fetchrow(_FIND_BY_USERNAME, username_key(username), username)
        return None if row is None else Profile(**row)

    async def find_named(self, name: str) -> Profile | None:
        """Return the user with this username or, when nobody has it, with this id; or None. For paths that take both."""
        found = await self.find_by_username(name)
        user_id = name.lower()
        return await self.find(user_id) if found is None and is_uuid(user_id) else found

    async def find(self, user_id: str) -> Profile | None:
        """Return the user with this id, even an erased one, or None."""
        return (await self.profiles(await self.known([user_id]))).get(user_id)

    async def known(self, user_ids: Iterable[str]) -> set[str]:
        """Return the ids that belong to users who aren't erased."""
        rows = await self._pool.fetch(_KNOWN, list(user_ids))
        return {row["user_id"] for row in rows}

    async def erase(self, user_id: str) -> None:
        """Replace the user by a tombstone: the id, and a display name that says so.

        A token that is issued later creates the user again.
        """
        await self._pool.execute(_ERASE, user_id, ERASED_NAME, time.time())

    async def profiles(self, user_ids: Iterable[str]) -> dict[str, Profile]:
        """Return user id → profile, for users that exist."""
        rows = await self._pool.fetch(_PROFILES, list(user_ids))
        return {row["user_id"]: Profile(**row) for row in rows}

    async def take_changes(self, most: int) -> list[Profile]:
        """Take at most `most` changed profiles. Each change is taken by one caller."""
        return [Profile(**row) for row in await self._pool.fetch(_TAKE_CHANGES, most)]

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
        """Remove usernames that are ids of other users, because a user without a username is shown by the id."""
        named = {_key_of(each) for each in principals.values() if _key_of(each) != each.user_id}
        foreign = {key for key in named if key is not None and is_uuid(key)}
        if not foreign:
            return principals
        known = foreign.intersection(principals) | (await self.profiles(foreign)).keys()
        return {
            user_id: replace(each, username=None) if _key_of(each) in known - {user_id} else each
            for user_id, each in principals.items()
        }

    async def _store(self, principal: Principal) -> None:
        """Store one user. A username in another user's newer token stays with that user."""
        for attempt in range(ATTEMPTS):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._take_over(connection, principal)
                break
            except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311

    async def _take_over(
        self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", principal: Principal
    ) -> None:
        user_id, username, key = principal.user_id, principal.username, _key_of(principal)
        # Users who claim the same username, or have it as their id, wait here for each other.
        for name in sorted({user_id, key or user_id}):
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", name)
        if username is not None:
            claimed_at = await connection.fetchval(_HOLDER, user_id, username, key)
            if claimed_at is not None and claimed_at > principal.issued_at:
                log.info(
                    "claim.ignored",
                    claim="username",
                    user_id=user_id,
                    reason="a newer token gave the name to another user",
                )
                username = key = None
        await connection.execute(_RELEASE, user_id, username, key)
        await connection.execute(
            _ENSURE, user_id, username, key, principal.name, principal.picture, principal.issued_at
        )


def _key_of(principal: Principal) -> str | None:
    return None if principal.username is None else username_key(principal.username)
