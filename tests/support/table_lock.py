"""Holds a process at a statement: whoever uses a locked table waits there, and can be killed in the middle of its work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from tests.support.gateway import eventually
from tests.support.stack import Stack

WAIT_SECONDS: Final = 90
_WAITING: Final = """
    SELECT a.pid FROM pg_stat_activity a
    JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted AND l.relation = $2::regclass
    WHERE a.datname = current_database() AND a.application_name LIKE $1 || '%'
"""


class TableLock:
    """A lock that is held on `table`."""

    def __init__(self, stack: Stack, table: str, watcher: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._stack = stack
        self._table = table
        self._watcher = watcher

    async def kill(self, process: str) -> None:
        """Wait until the process waits for the table, and kill it there: what it hadn't committed is undone."""
        sessions: list[int] = []

        async def waits() -> bool:
            sessions[:] = [row["pid"] for row in await self._watcher.fetch(_WAITING, process, self._table)]
            return bool(sessions)

        await eventually(waits, seconds=WAIT_SECONDS)
        await self._stack.kill(process)
        # A session outlives its client until it writes to it: the statement would go on when the lock ends.
        for session in sessions:
            await self._watcher.execute("SELECT pg_terminate_backend($1)", session)


@asynccontextmanager
async def locked(stack: Stack, table: str, mode: str = "ACCESS EXCLUSIVE") -> AsyncIterator[TableLock]:
    """Lock a table as long as the block lasts. `SHARE` lets others read it."""
    holder = await asyncpg.connect(stack.database_url)
    watcher = await asyncpg.connect(stack.database_url)
    try:
        async with holder.transaction():
            async with asyncio.timeout(WAIT_SECONDS):
                await holder.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield TableLock(stack, table, watcher)
    finally:
        await watcher.close()
        await holder.close()
