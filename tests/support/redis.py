"""Two partitions of Redis without a cluster: two databases of one server, which share nothing but topics."""

from collections.abc import Sequence

from redis.asyncio import Redis

from shared.redis import Options, Partitions
from shared.redis.topology import OneServer
from tests.support.backends import with_path

DATABASES = ("0", "1")


class TwoDatabases:
    """A topology whose partitions are databases, so that keys have their literal names."""

    tags: Sequence[str] = ("", "")
    clustered = False

    def __init__(self, url: str) -> None:
        self._servers = [OneServer(with_path(url, database)) for database in DATABASES]

    def client(self, partition: int) -> Redis:
        """The client of the partition's database."""
        return self._servers[partition].client(0)

    async def locate(self, partition: int) -> Options:
        """The partition's database."""
        return await self._servers[partition].locate(0)

    async def forget(self) -> None:
        """Close idle connections."""
        for server in self._servers:
            await server.forget()

    async def aclose(self) -> None:
        """Close all connections."""
        for server in self._servers:
            await server.aclose()


def two_partitions(url: str) -> Partitions:
    """Two partitions on the server of `url`."""
    return Partitions(TwoDatabases(url))


def clients(partitions: Partitions) -> list[Redis]:
    """redis-py's client of each partition."""
    return [partitions.at(index).client for index in range(len(partitions))]
