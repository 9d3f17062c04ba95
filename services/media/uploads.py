"""Uploads and their states, in the table `media.uploads`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg

from shared.postgres import Pool, load_sql
from shared.uploads import claims

_PACKAGE: Final = "services.media"
_RESERVE: Final = load_sql(_PACKAGE, "reserve")
_QUOTA: Final = load_sql(_PACKAGE, "quota")
_FIND: Final = load_sql(_PACKAGE, "find")
_BEGIN: Final = load_sql(_PACKAGE, "begin_processing")
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('media.uploads:' || $1, 0))"
"""One reservation at a time for each user. Two concurrent ones could both see room for one more."""
_GIVE_BACK: Final = (
    "UPDATE media.uploads SET state = 'reserved', processing_until = NULL WHERE id = $1 AND state = 'processing'"
)
_FINISH: Final = """
    UPDATE media.uploads SET state = 'ready', media = $2, processing_until = NULL, completed_at = now()
    WHERE id = $1 AND state = 'processing'
"""
_REJECT: Final = """
    UPDATE media.uploads SET state = 'rejected', reason = $2, processing_until = NULL, completed_at = now()
    WHERE id = $1 AND state = 'processing'
"""
_ONE_ROW: Final = "UPDATE 1"


class State(StrEnum):
    """The state of an upload; `docs/uploads.md` has a diagram.

    reserved → processing → ready → used; a refused file ends as rejected. Released: nobody needs it, and its objects will be
    deleted. Deleted: its objects are deleted, and the row stays only for the quota.
    """

    RESERVED = "reserved"
    PROCESSING = "processing"
    READY = "ready"
    USED = "used"
    REJECTED = "rejected"
    RELEASED = "released"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Upload:
    """A row.

    `name`, `mime_type` and `size` (bytes) are the user's; `media` is the JSON of what is served. `standing`: the time for its
    bytes is not over. `reason`: why it was rejected.
    """

    id: str
    user_id: str
    conversation_id: str
    state: State
    name: str
    mime_type: str
    size: int
    media: str | None
    reason: str | None
    standing: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request for a new upload of `size` bytes for one conversation."""

    id: str
    user_id: str
    conversation_id: str
    name: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a user may reserve; 0 is no limit."""

    uploads_an_hour: int
    bytes_a_day: int


class OverQuota(Exception):
    """The user may reserve again in `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"over the quota for {retry_after:.0f} s more")


class Uploads:
    """The table of uploads. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, quota: Quota) -> None:
        self._pool = pool
        self._quota = quota

    async def reserve(self, new: Reservation, seconds: float) -> datetime:
        """Add a reservation whose bytes must come within `seconds`; returns when that time ends. Raises OverQuota."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, new.user_id)
            quota = self._quota
            wait = await connection.fetchval(_QUOTA, new.user_id, new.size, quota.uploads_an_hour, quota.bytes_a_day)
            if wait:
                raise OverQuota(wait)
            until: datetime = await connection.fetchval(
                _RESERVE, new.id, new.user_id, new.conversation_id, new.name, new.mime_type, new.size, seconds
            )
            return until

    async def find(self, upload_id: str) -> Upload | None:
        """Return the upload in any state, or None."""
        row = await self._pool.fetchrow(_FIND, upload_id)
        return None if row is None else _upload(row)

    async def is_participant(self, conversation_id: str, user_id: str) -> bool:
        """Return whether the user is a participant of the conversation."""
        return await claims.is_participant(self._pool, conversation_id, user_id)

    async def begin(self, upload_id: str, user_id: str, seconds: float) -> Upload | None:
        """Take the user's upload for processing, for at most `seconds`. None when it can't be taken now."""
        row = await self._pool.fetchrow(_BEGIN, upload_id, user_id, seconds)
        return None if row is None else _upload(row)

    async def give_back(self, upload_id: str) -> None:
        """Undo `begin`, because processing could not be done now."""
        await self._pool.execute(_GIVE_BACK, upload_id)

    async def finish(self, upload_id: str, media: str) -> bool:
        """Store the result of processing, `media` (JSON). False when the upload was released or finished meanwhile."""
        return await self._pool.execute(_FINISH, upload_id, media) == _ONE_ROW

    async def reject(self, upload_id: str, reason: str) -> bool:
        """Store that processing refused the file. False when the upload was released or finished meanwhile."""
        return await self._pool.execute(_REJECT, upload_id, reason) == _ONE_ROW


def _upload(row: asyncpg.Record) -> Upload:
    values = dict(row)
    return Upload(**{**values, "state": State(values["state"])})
