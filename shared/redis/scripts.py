"""Lua scripts with the key prefixes filled in, and the connection that runs them."""

import asyncio
import re
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from shared.protocol import keys
from shared.redis.connection import Argument, Broken, Connection

if TYPE_CHECKING:
    from shared.redis.topology import Server

_PLACEHOLDER = re.compile(r"\{\{([A-Z_]+)\}\}")


def load_lua(package: str, name: str) -> str:
    """The text of `<package>/lua/<name>.lua`, with `{{INBOX}}` and the like replaced by the prefixes of `protocol.keys`.

    Raises AttributeError for a prefix that is not declared there.
    """
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    return _PLACEHOLDER.sub(lambda match: str(getattr(keys, match[1])), text)


class Script:
    """A Lua script, run on the server of one's choice. Loaded on first use, and again when the server forgot it.

    Several names are files that follow one another: first the functions, then what uses them.
    """

    def __init__(self, package: str, *names: str) -> None:
        self._text = "\n".join(load_lua(package, name) for name in names)
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, server: "Server", *args: Argument) -> Any:
        """Run with `args` as ARGV. Raises RedisError."""
        return await server.scripts.run(self._sha, self._text, args)


class ScriptRunner:
    """Runs Lua scripts on one server, over one connection that is made when it is needed, and again when it broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    async def run(self, sha: str, text: str, arguments: tuple[Argument, ...]) -> Any:
        """Run the script of this SHA-1 with these as ARGV; `text` is sent when the server doesn't have it.

        Tried a second time on a new connection when the first one breaks, so it may run twice. Raises RedisError.
        """
        try:
            return await _run(await self._usable(), sha, text, arguments)
        except Broken:
            return await _run(await self._usable(), sha, text, arguments)

    def close(self) -> None:
        """Close the connection."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.abort()

    async def _usable(self) -> Connection:
        """The connection, or a new one; all that wait for one wait for the same."""
        if self._connection is not None and self._connection.usable:
            return self._connection
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
            # Whoever waits may have been cancelled: then nobody asks how it went.
            self._opening.add_done_callback(lambda opening: opening.cancelled() or opening.exception())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Connection:
        connection = Connection()
        try:
            await connection.open(self._url)
        except (OSError, TimeoutError) as error:
            raise RedisConnectionError(f"no connection to Redis: {error!r}") from error
        self._connection = connection
        return connection


async def _run(connection: Connection, sha: str, text: str, arguments: tuple[Argument, ...]) -> Any:
    try:
        return await connection.ask("EVALSHA", sha, 0, *arguments)
    except NoScriptError:
        return await connection.ask("EVAL", text, 0, *arguments)
