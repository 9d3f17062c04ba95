"""Runs Lua scripts of one partition on one connection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from shared.redis.connection import Argument, Broken, Connection
from shared.redis.errors import is_lost_master


class ScriptRunner:
    """Runs Lua scripts of one partition, over one connection that is opened when it is needed, and again after it broke.

    `locate` returns how to connect to the master, and `forget` tells that this server may no longer be the master. `slot_key` is
    the only key that scripts declare in a cluster, where it selects the node. No key has that name. So while the slot moves to
    another node, a script is refused completely (ASK), instead of finding only some of its keys.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[Mapping[str, Any]]],
        forget: Callable[[], Awaitable[None]],
        slot_key: str | None = None,
    ) -> None:
        self._locate = locate
        self._forget = forget
        self._keys: tuple[Argument, ...] = (0,) if slot_key is None else (1, slot_key)
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    async def run(self, sha: str, text: str | None, arguments: tuple[Argument, ...]) -> Any:
        """Run the script with this SHA-1 and with `arguments` as ARGV.

        `text` is sent when the server doesn't have the script; without a text, that raises NoScriptError.

        It is tried a second time, on a new connection, when the first one breaks or its server isn't the master. So it may run
        twice. Raises RedisError.
        """
        connection = await self._usable()
        try:
            return await self._run(connection, sha, text, arguments)
        except Exception as error:
            lost = is_lost_master(error)
            if not lost and not isinstance(error, Broken):
                raise
        if lost:
            connection.abort()
            await self._forget()
        return await self._run(await self._usable(), sha, text, arguments)

    def close(self) -> None:
        """Close the connection."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.abort()

    async def _run(self, connection: Connection, sha: str, text: str | None, arguments: tuple[Argument, ...]) -> Any:
        try:
            return await connection.ask("EVALSHA", sha, *self._keys, *arguments)
        except NoScriptError:
            if text is None:
                raise
            return await connection.ask("EVAL", text, *self._keys, *arguments)

    async def _usable(self) -> Connection:
        """Return the connection, or a new one. Concurrent callers share one attempt to connect."""
        if self._connection is not None and self._connection.usable:
            return self._connection
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            # All waiting callers may have been cancelled; then nobody retrieves the error.
            self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Connection:
        connection = Connection()
        try:
            await connection.open(await self._locate())
        except (OSError, TimeoutError) as error:
            await self._forget()
            raise RedisConnectionError(f"no connection to Redis: {error!r}") from error
        self._connection = connection
        return connection
