"""Compares the table with the store: how much there is, and what only one of them has. For `chatctl media`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from services.media.storage import Storage, Stored
from services.media.uploads import State
from shared.postgres import Pool, load_sql

MIN_AGE: Final = timedelta(days=1)
"""Younger objects may belong to a reservation that this database doesn't have yet, for instance on a standby."""
_USAGE: Final = load_sql("services.media", "usage")
_KNOWN: Final = "SELECT id::text FROM media.uploads WHERE id = ANY ($1::uuid[])"
_WAITING: Final = """
    SELECT id::text, user_id::text, state, size, reserved_at
    FROM media.uploads WHERE state = ANY ($1::text[]) ORDER BY reserved_at LIMIT $2
"""
_UNUSED: Final = (State.RESERVED, State.PROCESSING, State.READY, State.REJECTED, State.RELEASED)


class Usage(NamedTuple):
    """The uploads in one state, and their announced bytes."""

    state: str
    uploads: int
    bytes: int


class Unused(NamedTuple):
    """An upload that isn't in any message."""

    id: str
    user_id: str
    state: str
    size: int
    reserved_at: datetime


class StoreAudit:
    """Compares uploads with objects. Only `delete_unknown` changes anything. Raises what asyncpg and the store raise."""

    def __init__(self, pool: Pool, storage: Storage) -> None:
        self._pool = pool
        self._storage = storage

    async def usage(self) -> list[Usage]:
        """Return the number and bytes of uploads, by state."""
        return [Usage(*row) for row in await self._pool.fetch(_USAGE)]

    async def unused(self, most: int) -> list[Unused]:
        """Return the oldest uploads that aren't in any message."""
        states = [state.value for state in _UNUSED]
        return [Unused(*row) for row in await self._pool.fetch(_WAITING, states, most)]

    async def unknown(self) -> AsyncIterator[Stored]:
        """Yield objects that are at least a day old and have no row in this database."""
        before = datetime.now(UTC) - MIN_AGE
        async for page in self._storage.pages():
            old = [stored for stored in page if stored.modified_at < before]
            rows = await self._pool.fetch(_KNOWN, list({stored.upload_id for stored in old}))
            known = {row["id"] for row in rows}
            for stored in old:
                if stored.upload_id not in known:
                    yield stored

    async def delete_unknown(self) -> int:
        """Delete the unknown objects; returns how many. It is safe only when store and database belong together."""
        unknown = [stored async for stored in self.unknown()]
        await self._storage.delete(stored.name for stored in unknown)
        return len(unknown)
