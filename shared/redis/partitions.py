"""Partitions of Redis: all keys of a user or a conversation are in one partition, and one server has the whole partition."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from zlib import crc32

from redis.asyncio import Redis

from shared.protocol import keys
from shared.redis.pubsub import Subscription
from shared.redis.script_runner import ScriptRunner
from shared.redis.topology import Topology, topology_of

Key = Callable[..., str]
"""Makes a full key of a partition: `key(keys.UNREAD_CONVERSATION, user_id, conversation_id)`."""


class Partition:
    """One partition. Its keys begin with `tag`, so that a cluster keeps them together; without a cluster that is ''."""

    def __init__(self, topology: Topology, index: int) -> None:
        self._topology = topology
        self.index = index
        self.tag = topology.tags[index]
        self.client: Redis = topology.client(index)
        """redis-py's client, for commands outside the hot path. Keys must come from `key`; replies are bytes."""
        self.clustered = topology.clustered
        self.scripts = ScriptRunner(self._locate, topology.forget, self.tag if self.clustered else None)

    def key(self, prefix: str, *parts: str) -> str:
        """Return a full key of this partition: `key(keys.UNREAD_CONVERSATION, user_id, conversation_id)`."""
        return self.tag + keys.key(prefix, *parts)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish `payload` to `topic` (a full key) on this partition. Raises RedisError."""
        command = "SPUBLISH" if self.clustered else "PUBLISH"
        await cast("Any", self.client).execute_command(command, topic, payload)

    async def subscribe(self, on_message: Callable[[bytes], None], *topics: str) -> Subscription:
        """Subscribe to topics (full keys) at the partition's master. Raises OSError, TimeoutError or RedisError.

        After a failure, the master is looked up again before the next attempt.
        """
        subscription = Subscription(on_message, sharded=self.clustered)
        try:
            await subscription.subscribe(await self._locate(), topics)
        except BaseException:
            subscription.abort()
            await self._topology.forget()
            raise
        return subscription

    async def _locate(self) -> Mapping[str, Any]:
        return await self._topology.locate(self.index)


class Partitions:
    """All partitions. `of` returns the one with the keys of a user or a conversation."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._partitions = [Partition(topology, index) for index in range(len(topology.tags))]

    def __len__(self) -> int:
        return len(self._partitions)

    def index_of(self, name: str) -> int:
        """Return the index (0-based) of the partition with the keys of this user or conversation."""
        return 0 if len(self._partitions) == 1 else crc32(name.encode()) % len(self._partitions)

    def of(self, name: str) -> Partition:
        """Return the partition with the keys of this user or conversation."""
        return self._partitions[self.index_of(name)]

    def at(self, index: int) -> Partition:
        """Return partition `index`."""
        return self._partitions[index]

    def split(self, names: Iterable[str]) -> dict[int, list[str]]:
        """Return index of a partition → its names."""
        groups: dict[int, list[str]] = {}
        for name in names:
            groups.setdefault(self.index_of(name), []).append(name)
        return groups

    async def ping(self) -> None:
        """Make a round trip to each partition's server. Raises RedisError or TimeoutError."""
        async with asyncio.timeout(2):
            await asyncio.gather(*(partition.client.exists(partition.key("ping")) for partition in self._partitions))

    async def aclose(self) -> None:
        """Close all connections."""
        for partition in self._partitions:
            partition.scripts.close()
        await self._topology.aclose()


def open_partitions(url: str, partitions: int = 1) -> Partitions:
    """Return the partitions of the Redis at `url` (`shared.redis.topology`). Connections are opened when they are needed.

    `partitions` is used only in a cluster. Raises ValueError, with advice, for an invalid URL.
    """
    return Partitions(topology_of(url, partitions))
