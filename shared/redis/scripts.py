"""Lua scripts with the key prefixes filled in, and the connection that runs them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from shared.protocol import keys
from shared.protocol.inbox import LUA_WORDS
from shared.redis.connection import Argument, Broken, Connection
from shared.redis.errors import is_lost_master
from shared.redis.records import fill_records

if TYPE_CHECKING:
    from shared.redis.shards import Shard

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Z_]+)\}\}")
_ALONE: Final = {"PUBLISH": "PUBLISH", "NUMSUB": "NUMSUB", "NODE": "''"}
_CLUSTERED: Final = {"PUBLISH": "SPUBLISH", "NUMSUB": "SHARDNUMSUB", "NODE": "redis.call('CLUSTER', 'MYID')"}
"""What differs in a cluster: sharded pub/sub, and the expression for the id of the node."""


def load_lua(package: str, name: str, tag: str = "", *, clustered: bool = False) -> str:
    """The text of `<package>/lua/<name>.lua` for one partition.

    `{{INBOX}}` and the like become the prefixes of `protocol.keys`, behind the partition's hash tag; `{{PUBLISH}}` and
    `{{NUMSUB}}` become the commands of a cluster's sharded pub/sub, or the plain ones, and `{{NODE}}` the id of the cluster's
    node, or ''. The words of `protocol.inbox` and the records of `protocol.relay` (`shared.redis.records`) are filled in, too.
    Raises AttributeError or ValueError for what is not declared.
    """
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    words = {**LUA_WORDS, **(_CLUSTERED if clustered else _ALONE)}

    def fill(match: re.Match[str]) -> str:
        if match[1] in words:
            return words[match[1]]
        declared = str(getattr(keys, match[1]))
        # What isn't the name of a key, such as a number or a mark in a value, has no letters.
        return f"{tag}{declared}" if declared[0].isalpha() else declared

    return fill_records(_PLACEHOLDER.sub(fill, text))


class Script:
    """A Lua script, run on the partition of one's choice. Loaded on first use, and again when the server forgot it.

    Several names are files that follow one another: first the functions, then what uses them. `package:name` is a file of
    another package.
    """

    def __init__(self, package: str, *names: str) -> None:
        self._package = package
        self._names = names
        self._filled: dict[tuple[str, bool], tuple[str, str]] = {}
        self._fill("", clustered=False)

    async def __call__(self, shard: "Shard", *args: Argument) -> Any:
        """Run with `args` as ARGV. Raises RedisError."""
        filled = self._filled.get((shard.tag, shard.clustered))
        if filled is None:
            filled = self._fill(shard.tag, clustered=shard.clustered)
        return await shard.scripts.run(*filled, args)

    def _fill(self, tag: str, *, clustered: bool) -> tuple[str, str]:
        """The script's SHA-1 and text for a partition."""
        places = [name.rpartition(":") for name in self._names]
        texts = [load_lua(package or self._package, name, tag, clustered=clustered) for package, _, name in places]
        text = "\n".join(texts)
        filled = sha1(text.encode(), usedforsecurity=False).hexdigest(), text
        self._filled[tag, clustered] = filled
        return filled


class ScriptRunner:
    """Runs Lua scripts of one partition, over one connection that is made when it is needed, and again when it broke.

    `locate` says how to connect to the master, and `forget` that it may no longer be the master. `slot_key` is the one key
    that scripts declare in a cluster, where it decides which node runs them. No key has that name, so while the slot moves to
    another node, every script is refused as a whole (ASK) instead of finding half of its keys.
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

    async def run(self, sha: str, text: str, arguments: tuple[Argument, ...]) -> Any:
        """Run the script of this SHA-1 with these as ARGV; `text` is sent when the server doesn't have it.

        Tried a second time on a new connection when the first one breaks or its server is not the master, so it may run
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

    async def _run(self, connection: Connection, sha: str, text: str, arguments: tuple[Argument, ...]) -> Any:
        try:
            return await connection.ask("EVALSHA", sha, *self._keys, *arguments)
        except NoScriptError:
            return await connection.ask("EVAL", text, *self._keys, *arguments)

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
            await connection.open(await self._locate())
        except (OSError, TimeoutError) as error:
            await self._forget()
            raise RedisConnectionError(f"no connection to Redis: {error!r}") from error
        self._connection = connection
        return connection
