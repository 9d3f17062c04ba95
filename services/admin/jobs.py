"""Jobs that survive a crash: what to erase, the progress, and the replica that works on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from shared.polling import Polling
from shared.postgres import Pool

OWNED_SECONDS: Final = 20.0
"""The job of a killed replica is free for others after this time."""
SOONEST_SECONDS: Final = 1.0
LATEST_SECONDS: Final = 5.0
"""Pauses between checks for jobs that other replicas have added or lost. A replica claims its own new jobs at once."""
_COLUMNS: Final = "id::text, user_id::text, kind, step, page, created_at, finished_at"
_ADD: Final = f"""
    INSERT INTO admin.jobs (id, user_id, kind) VALUES ($1::uuid, $2::uuid, $3) RETURNING {_COLUMNS}
"""  # noqa: S608 - our own column names
_OPEN: Final = f"""
    SELECT {_COLUMNS} FROM admin.jobs WHERE user_id = $1::uuid AND kind = $2 AND finished_at IS NULL
"""  # noqa: S608
_NEWEST: Final = f"""
    SELECT {_COLUMNS} FROM admin.jobs WHERE user_id = $1::uuid AND kind = $2 ORDER BY created_at DESC LIMIT 1
"""  # noqa: S608
_FIND: Final = f"SELECT {_COLUMNS} FROM admin.jobs WHERE id = $1::uuid"  # noqa: S608
_CLAIM: Final = f"""
    UPDATE admin.jobs SET owner = $1, owned_until = now() + make_interval(secs => $2)
    WHERE id = (
        SELECT id FROM admin.jobs
        WHERE finished_at IS NULL AND (owned_until < now() OR owner = $1)
        ORDER BY owned_until, created_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
"""  # noqa: S608
"""New jobs come first, and of the others the one that was worked on the longest ago. So a job that fails holds up no other."""
_ADVANCE: Final = """
    UPDATE admin.jobs SET step = $3, page = $4, owned_until = now() + make_interval(secs => $5)
    WHERE id = $1::uuid AND owner = $2
"""
_FINISH: Final = "UPDATE admin.jobs SET finished_at = now() WHERE id = $1::uuid"


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `step` and `page`: where it continues."""

    id: str
    user_id: str
    kind: str
    step: int
    page: str
    created_at: datetime
    finished_at: datetime | None


class Jobs:
    """The table of jobs. Every method except `wait` raises what asyncpg raises."""

    def __init__(self, pool: Pool, owner: str) -> None:
        self._pool = pool
        self._owner = owner
        self._polling = Polling(SOONEST_SECONDS, LATEST_SECONDS)

    async def add(self, user_id: str, kind: str) -> Job:
        """Add a job of this kind about the user, or return the open one."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('admin.jobs:' || $1, 0))", user_id)
            row = await connection.fetchrow(_OPEN, user_id, kind)
            row = row or await connection.fetchrow(_ADD, str(uuid4()), user_id, kind)
        assert row is not None
        self._polling.tell()
        return Job(*row)

    async def newest(self, user_id: str, kind: str) -> Job | None:
        """Return the last job of this kind about the user."""
        row = await self._pool.fetchrow(_NEWEST, user_id, kind)
        return None if row is None else Job(*row)

    async def find(self, job_id: str) -> Job | None:
        """Return the job of this id."""
        row = await self._pool.fetchrow(_FIND, job_id)
        return None if row is None else Job(*row)

    async def claim(self) -> Job | None:
        """Claim the next open job that no other replica works on. It belongs to this replica for a limited time."""
        row = await self._pool.fetchrow(_CLAIM, self._owner, OWNED_SECONDS)
        if row is None:
            return None
        self._polling.found()
        return Job(*row)

    async def wait(self) -> None:
        """Wait until there may be a job to claim: at most `LATEST_SECONDS`, and no longer when this replica adds one."""
        await self._polling.pause()

    async def advance(self, job: Job, step: int, page: str) -> None:
        """Store the progress of a job."""
        await self._pool.execute(_ADVANCE, job.id, self._owner, step, page, OWNED_SECONDS)

    async def finish(self, job: Job) -> None:
        """Store that the job is done."""
        await self._pool.execute(_FINISH, job.id)
