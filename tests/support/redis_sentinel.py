"""A master with a replica, and three Sentinels that watch them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from tests.support.certificates import Certificates
from tests.support.redis_nodes import Node, Nodes, until_true

MASTER = "mymaster"
DOWN_MS = 1_500
"""A master that doesn't answer for this long counts as down."""
FAILOVER_MS = 6_000


@dataclass
class Watched:
    """`servers`: what the Sentinels watch; the first one is the initial master."""

    servers: list[Node]
    sentinels: list[Node]

    @property
    def url(self) -> str:
        """Where services connect."""
        return f"redis+sentinel://{','.join(one.address for one in self.sentinels)}/{MASTER}?db=0"

    async def master(self) -> Node:
        """The server that the first Sentinel names."""
        _, port = await self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        return next(server for server in self.servers if server.peer_port == int(port))

    async def replicates(self) -> None:
        """Wait until the master has a replica that is in sync, which a failover needs."""

        async def in_step() -> bool:
            try:
                state = await (await self.master()).command("INFO", "replication")
            except RedisError:
                return False
            return bool(state["role"] == "master" and state.get("slave0", {}).get("state") == "online")

        await until_true(in_step)

    async def failover(self) -> None:
        """Have the Sentinels promote the replica; returns when they say so."""
        before = await self.master()
        await self.replicates()

        async def begun() -> bool:
            try:
                await self.sentinels[0].command("SENTINEL", "FAILOVER", MASTER)
            except RedisError:
                return False
            return True

        await until_true(begun)
        await self.promoted(before)

    async def promoted(self, before: Node) -> None:
        """Wait until another server than `before` is the master."""

        async def changed() -> bool:
            return await self.master() != before

        await until_true(changed)


@asynccontextmanager
async def redis_sentinel(
    folder: Path, *options: str, certificates: Certificates | None = None
) -> AsyncIterator[Watched]:
    """Start them in `folder`; they stop at the end. `options` are the servers'."""
    nodes = Nodes(folder, certificates)
    first = nodes.node("server-1", *options)
    second = nodes.node("server-2", *options, "--replicaof", f"127.0.0.1 {first.peer_port}")
    watching = (
        f"sentinel monitor {MASTER} 127.0.0.1 {first.peer_port} 2",
        f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
        f"sentinel failover-timeout {MASTER} {FAILOVER_MS}",
    )
    sentinels = [nodes.node(f"sentinel-{number}", sentinel=watching) for number in range(1, 4)]
    started: list[Node] = []
    try:
        for node in (first, second, *sentinels):
            started.append(node)
            await node.start()
        watched = Watched([first, second], sentinels)
        await watched.replicates()
        await until_true(lambda: _know_each_other(sentinels))
        yield watched
    finally:
        for node in reversed(started):
            await node.stop()


async def _know_each_other(sentinels: list[Node]) -> bool:
    """Return whether each Sentinel knows the others and the replica, which a failover needs."""
    for sentinel in sentinels:
        others = await sentinel.command("SENTINEL", "SENTINELS", MASTER)
        replicas = await sentinel.command("SENTINEL", "REPLICAS", MASTER)
        if len(others) < len(sentinels) - 1 or not replicas:
            return False
    return True
