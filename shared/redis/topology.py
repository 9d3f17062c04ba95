"""The Redis servers, and users and conversations spread over them."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.redis.connection import ANSWER_SECONDS, CONNECT_SECONDS
from shared.redis.scripts import ScriptRunner

MAX_CONNECTIONS: Final = 64


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
