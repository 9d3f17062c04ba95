"""A connection that is kept between statements: to take one of a pool and give it back costs as much as a short statement."""

import asyncio
from typing import Any, Final

import asyncpg

from shared.postgres.pool import Lent, Pool

IDLE_SECONDS: Final = 0.25
"""How long a connection without statements is kept: it holds up the pool's end for so long."""


class KeptConnection:
    """Runs a task's statements on one connection of `pool`. One that comes while another runs goes by the pool itself.

    The connection goes back to the pool when it has had nothing to do for a while, and after every error.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Lent | None = None
        self._running = False
        self._used = False
        self._returning: asyncio.Task[None] | None = None

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a statement. Raises what asyncpg raises."""
        if self._running:
            return await self._pool.fetch(statement, *arguments)
        self._running = self._used = True
        try:
            if self._connection is None:
                self._connection = await self._pool.acquire()
                self._look_later()
            return await self._connection.fetch(statement, *arguments)
        except BaseException:
            await self._give_back()
            raise
        finally:
            self._running = False

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        """Give the connection back if it was not used since the last look."""
        if self._connection is None:
            return
        if self._used or self._running:
            self._used = False
            self._look_later()
        else:
            self._returning = asyncio.create_task(self._give_back())

    async def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)
