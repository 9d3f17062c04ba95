"""Keeps connections between statements: acquiring one from a pool and releasing it costs as much as a short statement."""

import asyncio
from typing import Any, Final

import asyncpg

from shared.postgres.pool import Lent, Pool

KEPT_SECONDS: Final = 0.25
"""How long connections are kept. After this time a pool that closes, or replaces its connections, has them back."""


class KeptConnections:
    """Runs statements on at most `most` kept connections of `pool`; further statements use the pool itself.

    A connection goes back to the pool after a while, and after every error.
    """

    def __init__(self, pool: Pool, most: int = 1) -> None:
        self._pool = pool
        self._most = most
        self._taken = 0
        self._idle: list[Lent] = []
        self._timed = False
        self._returning: set[asyncio.Task[None]] = set()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Return the rows of a statement. Raises what asyncpg raises."""
        connection = await self._take()
        if connection is None:
            return await self._pool.fetch(statement, *arguments)
        try:
            rows = await connection.fetch(statement, *arguments)
        except BaseException:
            await self._give_back(connection)
            raise
        self._idle.append(connection)
        if not self._timed:
            self._timed = True
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._give_all_back)
        return rows

    async def _take(self) -> "Lent | None":
        """Return an open connection, or None when `most` are in use."""
        while self._idle:
            connection = self._idle.pop()
            if not _is_closed(connection):
                return connection
            await self._give_back(connection)
        if self._taken == self._most:
            return None
        self._taken += 1
        try:
            return await self._pool.acquire()
        except BaseException:
            self._taken -= 1
            raise

    def _give_all_back(self) -> None:
        self._timed = False
        while self._idle:
            task = asyncio.create_task(self._give_back(self._idle.pop()))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _give_back(self, connection: Lent) -> None:
        self._taken -= 1
        await self._pool.release(connection)


def _is_closed(connection: Lent) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool took the connection back when it closed.
        return True
