"""Redis: one or several servers, users spread over them, and Lua scripts with the key prefixes filled in."""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b, sha1
from importlib.resources import files
from typing import Any, Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.protocol import keys
from shared.resp import ANSWER_SECONDS, CONNECT_SECONDS, Argument, ScriptRunner

T = TypeVar("T")

MAX_CONNECTIONS: Final = 64

TRANSIENT_ERRORS: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OSError,
    TimeoutError,
)
"""Errors after which the same command may succeed."""

__all__ = ["TRANSIENT_ERRORS", "RedisError", "Script", "Shards", "load_lua"]


class Server(Redis):
    """A client of one server: connects when it is first used; answers are bytes; one retry on a broken connection.

    When all connections of its pool are in use, a command waits for one, for as long as it would wait for an answer.
    `scripts` has a connection of its own.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            connection_pool=BlockingConnectionPool.from_url(
                url,
                timeout=ANSWER_SECONDS,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                health_check_interval=0,
                retry=Retry(NoBackoff(), 1),
                retry_on_error=[RedisConnectionError],
                max_connections=MAX_CONNECTIONS,
            )
        )
        self.scripts = ScriptRunner(url)

    async def aclose(self, close_connection_pool: bool | None = True) -> None:
        """Close all connections."""
        self.scripts.close()
        await super().aclose(close_connection_pool)


class Shards:
    """The Redis servers. All keys of one user, or one conversation, live on the server that `of` gives."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.clients: dict[str, Server] = {url: Server(url) for url in urls}
        if not self.clients:
            raise ValueError("no Redis server is named")
        self._urls = list(self.clients)
        self._index_of = lru_cache(maxsize=65_536)(self._rendezvous)

    def __len__(self) -> int:
        return len(self._urls)

    def index_of(self, name: str) -> int:
        """Which server (0-based) has the keys of this user or conversation."""
        return 0 if len(self._urls) == 1 else self._index_of(name)

    def of(self, name: str) -> Server:
        """The client of the server that has the keys of this user or conversation."""
        return self.clients[self._urls[self.index_of(name)]]

    def at(self, index: int) -> Server:
        """The client of server `index`."""
        return self.clients[self._urls[index]]

    def split(self, names: Iterable[str]) -> dict[int, list[str]]:
        """Names grouped by server index."""
        groups: dict[int, list[str]] = {}
        for name in names:
            groups.setdefault(self.index_of(name), []).append(name)
        return groups

    async def ping(self) -> None:
        """A round trip to each server. Raises RedisError or TimeoutError."""
        async with asyncio.timeout(2):
            await asyncio.gather(*(client.ping() for client in self.clients.values()))

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.aclose() for client in self.clients.values()))

    def _rendezvous(self, name: str) -> int:
        """Highest random weight (Thaler and Ravishankar, 1998): adding a server moves 1/n of the names."""
        weights = [blake2b(f"{url}|{name}".encode(), digest_size=8).digest() for url in self._urls]
        return weights.index(max(weights))


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

    async def __call__(self, server: Server, *args: Argument) -> Any:
        """Run with `args` as ARGV. Raises RedisError."""
        return await server.scripts.run(self._sha, self._text, args)
