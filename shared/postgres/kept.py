"""Connections that are kept between statements: to take one of a pool and give it back costs as much as a short statement."""

import asyncio
from typing import Any, Final

import asyncpg

from shared.postgres.pool import Lent, Pool

KEPT_SECONDS: Final = 0.25
"""How long connections are kept: a pool that ends, or replaces its connections, has them back by then."""


class KeptConnections:
    """Runs statements on at most `most` connections of `pool`, each for many statements; beyond that they go by the pool itself.

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
        """The rows of a statement. Raises what asyncpg raises."""
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
        """A connection that is open, or None when as many as allowed are in use."""
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
        # The pool has taken it back when it closed.
        return True
