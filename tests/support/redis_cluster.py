"""A Redis Cluster of three masters, each with a replica."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from shared.redis.hash_tags import SLOTS, slot_of
from tests.support.certificates import Certificates
from tests.support.redis_nodes import Node, Nodes, until_true

MASTERS = 3
NODE_TIMEOUT_MS = 2_000
"""A node that doesn't answer for this long counts as failing."""
MIGRATE_MS = 5_000
FAILOVER_SECONDS = 6.0
"""A replica gives up a failover after 5 s."""


@dataclass
class ClusterNodes:
    """All nodes. Which of them are masters changes."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """Where services connect first: some of the nodes."""
        return f"redis+cluster://{','.join(node.address for node in self.nodes[:MASTERS])}"

    async def master_of(self, tag: str) -> Node:
        """Return the node that serves the slot of a hash tag (given in braces), when all running nodes agree.

        A node that has just restarted reports the former state until it hears from the others.
        """
        found: list[Node] = []

        async def agreed() -> bool:
            found[:] = await self._masters_of(tag)
            return len(found) == 1

        await until_true(agreed)
        return found[0]

    async def _masters_of(self, tag: str) -> list[Node]:
        """Return the different answers of the running nodes."""
        slot, ports = slot_of(tag[1:-1]), set[int | None]()
        for node in self.nodes:
            try:
                ranges = await node.command("CLUSTER", "SLOTS")
            except (OSError, RedisError):
                continue
            ports.add(next((master[1] for first, last, master, *_ in ranges if first <= slot <= last), None))
        return [] if None in ports else [node for node in self.nodes if node.port in ports]

    async def replica_of(self, master: Node) -> Node:
        """Return a replica of `master` that is in sync."""
        found: list[Node] = []

        async def in_step() -> bool:
            state = await master.command("INFO", "replication")
            replicas = [value for name, value in state.items() if name.startswith("slave") and isinstance(value, dict)]
            ports = [replica["port"] for replica in replicas if replica["state"] == "online"]
            found[:] = [node for node in self.nodes if node.peer_port in ports]
            return bool(found)

        await until_true(in_step)
        return found[0]

    async def ok(self, nodes: list[Node] | None = None) -> None:
        """Wait until `nodes` (else all) see the whole cluster served, and each master with a replica."""

        async def whole() -> bool:
            for node in nodes or self.nodes:
                try:
                    state = await node.command("CLUSTER INFO")
                    known = await node.command("CLUSTER NODES")
                except (OSError, RedisError):
                    return False
                if state["cluster_state"] != "ok" or len(known) != len(self.nodes):
                    return False
            return True

        await until_true(whole)

    async def fail_over(self, tag: str) -> Node:
        """Have the replica of a tag's master take its place, without loss; returns the new master."""
        before = await self.master_of(tag)
        replica = await self.replica_of(before)

        async def taken_over() -> bool:
            # A server gives up after 5 s when the others are slow to answer, and refuses while it looks for its master.
            with suppress(RedisError):
                await replica.command("CLUSTER", "FAILOVER")
            with suppress(TimeoutError):
                await until_true(lambda: self._serves(tag, replica), FAILOVER_SECONDS)
            return await self._serves(tag, replica)

        await until_true(taken_over)
        return replica

    async def _serves(self, tag: str, node: Node) -> bool:
        return await self._masters_of(tag) == [node]

    async def moved(self, tag: str, before: Node) -> None:
        """Wait until all nodes that run say that another node than `before` serves the tag."""

        async def changed() -> bool:
            masters = await self._masters_of(tag)
            return len(masters) == 1 and masters != [before]

        await until_true(changed)

    async def move_slot(self, tag: str, target: Node, *, keys_at_once: int = 10) -> None:
        """Move the slot of a tag to another master, key by key, as `redis-cli --cluster reshard` does."""
        slot, source = slot_of(tag[1:-1]), await self.master_of(tag)
        source_id, target_id = await source.command("CLUSTER", "MYID"), await target.command("CLUSTER", "MYID")
        await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while found := await source.command("CLUSTER", "GETKEYSINSLOT", slot, keys_at_once):
            with suppress(RedisError):  # IOERR on a machine that stalls: what is left is found again
                await source.command("MIGRATE", "127.0.0.1", target.port, "", 0, MIGRATE_MS, "REPLACE", "KEYS", *found)
        for node in (target, source, *self.nodes):
            try:
                await node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
            except RedisError:
                continue  # a replica: it hears of it


@asynccontextmanager
async def redis_cluster(
    folder: Path, *options: str, certificates: Certificates | None = None
) -> AsyncIterator[ClusterNodes]:
    """Start it in `folder`; it stops at the end. `options` are the nodes'."""
    made = Nodes(folder, certificates)
    nodes = []
    for number in range(1, 2 * MASTERS + 1):
        name = f"node-{number}"
        cluster = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
        bus = ("--cluster-port", str(made.bus_port(name)))
        lag = ("--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no")
        nodes.append(made.node(name, *cluster, *bus, *lag, *options))
    started: list[Node] = []
    try:
        for node in nodes:
            started.append(node)
            await node.start()
        found = ClusterNodes(nodes)
        await _join(found, made)
        yield found
    finally:
        for node in reversed(started):
            await node.stop()


async def _join(cluster: ClusterNodes, made: Nodes) -> None:
    """Let the nodes meet, give each master its range of slots, and each replica its master."""
    nodes = cluster.nodes
    for number, node in enumerate(nodes):
        await node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        await nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port, made.bus_port(node.name))
    for number, node in enumerate(nodes[:MASTERS]):
        first, last = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
        await node.command("CLUSTER", "ADDSLOTSRANGE", first, last)
    await cluster.ok()
    for number, node in enumerate(nodes[MASTERS:]):
        await node.command("CLUSTER", "REPLICATE", await nodes[number].command("CLUSTER", "MYID"))
    for master in nodes[:MASTERS]:
        await cluster.replica_of(master)
    await cluster.ok()
