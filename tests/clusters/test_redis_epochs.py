"""No cursor is recovered over a gap (a lagging replica, a restored dump), and none is refused needlessly."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.gateway.registry.connections import ConnectionRegistry, RecoveryResult
from services.messaging.fanout.fanout import Fanout
from shared.redis import DEFAULT_PARTITIONS, Partitions, open_partitions
from tests.clusters.conftest import FreshFolder
from tests.support.redis_cluster import ClusterNodes, redis_cluster
from tests.support.redis_nodes import Node, Nodes, until_true

USER = "5d0ab2ea-3f2d-4a5e-9a53-50e2a5a6b0c1"
MakeNode = Callable[..., Node]


class UserInbox:
    """The inbox of one user, written by messaging's fan-out and read by a gateway."""

    def __init__(self, partitions: Partitions) -> None:
        self.partitions = partitions
        self._registry = ConnectionRegistry(partitions, "gateway")
        self._fanout = Fanout(partitions, self._never, 0)

    async def _never(self, _users: list[str]) -> dict[str, int]:
        raise AssertionError("nothing is counted here")

    async def add(self, *texts: str) -> None:
        """Events come."""
        effects = self._fanout.effects()
        for text in texts:
            effects.events_for(USER).add(f'{{"text":"{text}"'.encode(), "")
        await self._fanout.deliver(effects)

    async def come(self, cursor: str) -> RecoveryResult:
        """A client comes with a cursor, or ''."""
        (found,) = await self._registry.resume([(USER, "connection", cursor)])
        return found


@asynccontextmanager
async def inbox_on(url: str) -> AsyncIterator[UserInbox]:
    """On the Redis of a URL."""
    partitions = open_partitions(url, DEFAULT_PARTITIONS)
    try:
        yield UserInbox(partitions)
    finally:
        await partitions.aclose()


@pytest.fixture
async def make_node(fresh_folder: FreshFolder, request: pytest.FixtureRequest) -> AsyncIterator[MakeNode]:
    """Makes servers that stop with the test."""
    nodes, made = Nodes(fresh_folder(request.node.name)), list[Node]()

    def make(name: str, *options: str) -> Node:
        made.append(nodes.node(name, *options))
        return made[-1]

    yield make
    for node in reversed(made):
        await node.stop()


async def in_step(master: Node, replica: Node) -> None:
    """Wait until the replica has all that the master has."""

    async def same() -> bool:
        ours, theirs = [await node.command("INFO", "replication") for node in (master, replica)]
        return bool(
            theirs.get("master_link_status") == "up" and ours["master_repl_offset"] == theirs["slave_repl_offset"]
        )

    await until_true(same)


async def test_a_replica_that_lagged_takes_over(make_node: MakeNode) -> None:
    """It gives the offsets of what was lost a second time: without an epoch the hole could not be seen."""
    master = make_node("master")
    replica = make_node("replica", "--replicaof", f"127.0.0.1 {master.port}")
    await master.start()
    await replica.start()
    async with inbox_on(f"redis://{master.address}") as before:
        await before.come("")
        await before.add("kept")
        cursor = (await before.come("")).cursor
        await in_step(master, replica)
        await replica.command("REPLICAOF", "NO", "ONE")
        await before.add("lost 1", "lost 2")
        newest = (await before.come(cursor)).cursor
    await master.kill()
    async with inbox_on(f"redis://{replica.address}") as after:
        await after.add("new 1", "new 2")
        for known in (cursor, newest):
            found = await after.come(known)
            assert found.recovered is False
            assert found.events == []
        again = await after.come("")
        await after.add("new 3")
        assert [b"new 3" in event for event in (await after.come(again.cursor)).events] == [True]


async def test_a_dump_that_is_older_than_a_cursor_is_restored(make_node: MakeNode) -> None:
    server = make_node("server", "--save", "3600 1")
    await server.start()
    async with inbox_on(f"redis://{server.address}") as alive:
        await alive.come("")
        await alive.add("kept")
        cursor = (await alive.come("")).cursor
        await server.command("SAVE")
        await alive.add("lost 1", "lost 2")
    await server.kill()
    await server.start()
    async with inbox_on(f"redis://{server.address}") as alive:
        await alive.add("new 1", "new 2")
        assert (await alive.come(cursor)).recovered is False


async def test_a_first_replica_ends_no_epoch(make_node: MakeNode) -> None:
    """A master makes itself a new replication id for it, and has lost nothing."""
    master = make_node("master")
    await master.start()
    async with inbox_on(f"redis://{master.address}") as alive:
        await alive.come("")
        await alive.add("before")
        cursor = (await alive.come("")).cursor
        replica = make_node("replica", "--replicaof", f"127.0.0.1 {master.port}")
        await replica.start()
        await in_step(master, replica)
        await alive.add("after")
        found = await alive.come(cursor)
        assert found.recovered is True
        assert len(found.events) == 1


@pytest.fixture
async def cluster(fresh_folder: FreshFolder) -> AsyncIterator[ClusterNodes]:
    async with redis_cluster(fresh_folder("epoch-cluster")) as found:
        yield found


async def test_a_slot_that_moves_ends_no_epoch_and_a_failover_does(cluster: ClusterNodes) -> None:
    async with inbox_on(cluster.url) as alive:
        tag = alive.partitions.of(USER).tag
        await alive.come("")
        await alive.add("before")
        cursor = (await alive.come("")).cursor
        source = await cluster.master_of(tag)
        target = next(node for node in cluster.nodes[:3] if node is not source)
        await cluster.move_slot(tag, target)
        await alive.add("after")
        found = await alive.come(cursor)
        assert found.recovered is True
        assert len(found.events) == 1
        await cluster.fail_over(tag)
        await alive.add("later")
        assert (await alive.come(found.cursor)).recovered is False
