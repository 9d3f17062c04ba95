"""Redis changes under load: nothing that was acknowledged is lost, doubled or out of order, and service goes on.

One server behind an address that moves to its replica, a master that Sentinels replace, and a Redis Cluster.
"""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared.redis import DEFAULT_PARTITIONS
from shared.redis.hash_tags import tags
from tests.clusters.conftest import FreshFolder
from tests.clusters.redis_system import running
from tests.faults.load import Load, chatting
from tests.faults.proxy import Proxy
from tests.support.redis_cluster import ClusterNodes, redis_cluster
from tests.support.redis_nodes import Node, Nodes
from tests.support.redis_sentinel import Watched, redis_sentinel
from tools.stack.errors import NoServer
from tools.stack.ports import free_port
from tools.stack.redis import DURABILITY

RECOVERY_SECONDS = 60.0
SILENCE_SECONDS = 15.0
"""The longest time without any acknowledgement. It holds on a machine that does little else: the long form checks it."""
LONG = os.environ.get("CLUSTERS") == "long"

pytestmark = pytest.mark.timeout(400)

Act = Callable[[Load], Awaitable[None]]


async def survives(folder: Path, redis: str, *acts: Act) -> None:
    """Do something under load, and see that messages flow again and that all of them came as they should."""
    try:
        async with running(folder, os.environ, redis) as system, chatting(system) as load:
            for act in acts:
                await act(load)
                await load.flows(RECOVERY_SECONDS)
            await load.finish()
            times = sorted(at for user in load.users for at in user.acknowledged_at)
            silence = max(later - earlier for earlier, later in itertools.pairwise(times))
            print(f"{len(times)} messages, {silence:.1f} s without any acknowledgement")
            assert not LONG or silence <= SILENCE_SECONDS
    except NoServer as error:
        pytest.skip(f"cluster tests need the servers' programs: {error}")


# --- one server ----------------------------------------------------------------------------------------------------


class Moving:
    """An address that leads to one of two servers, as that of a managed Redis does. Connections that stand stay."""

    def __init__(self, first: Node, second: Node, proxy: Proxy) -> None:
        self.master, self.replica = first, second
        self._proxy = proxy

    async def change_roles(self) -> None:
        """The replica becomes the master, and the other way round; no connection is closed."""
        await self.replica.command("REPLICAOF", "NO", "ONE")
        await self.master.command("REPLICAOF", "127.0.0.1", self.replica.port)
        self._proxy.port = self.replica.port
        self.master, self.replica = self.replica, self.master


@pytest.fixture
async def moving(fresh_folder: FreshFolder) -> AsyncIterator[tuple[str, Moving]]:
    nodes = Nodes(fresh_folder("moving"))
    async with AsyncExitStack() as stack:
        first = nodes.node("server-1", *DURABILITY)
        second = nodes.node("server-2", *DURABILITY, "--replicaof", f"127.0.0.1 {first.port}")
        for node in (first, second):
            stack.push_async_callback(node.stop)
            await node.start()
        proxy = Proxy("127.0.0.1", first.port)
        port = free_port()
        await proxy.start(port)
        stack.push_async_callback(proxy.stop)
        yield f"redis://127.0.0.1:{port}/0", Moving(first, second, proxy)


async def test_roles_change_behind_one_address(moving: tuple[str, Moving], fresh_folder: FreshFolder) -> None:
    url, servers = moving

    async def change(_load: Load) -> None:
        await servers.change_roles()

    await survives(fresh_folder("moving-services"), url, change, change)


# --- Sentinel ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def watched(fresh_folder: FreshFolder) -> AsyncIterator[Watched]:
    async with redis_sentinel(fresh_folder("sentinel"), *DURABILITY) as found:
        yield found


async def test_sentinels_replace_a_master(watched: Watched, fresh_folder: FreshFolder) -> None:
    """Killed, with the messages that its replica did not have yet; then in order; then everything is forgotten."""

    async def kill(load: Load) -> None:
        before = await watched.master()
        await before.kill()
        await watched.promoted(before)
        await load.flows(RECOVERY_SECONDS)
        await before.start()
        await watched.replicates()

    async def fail_over(_load: Load) -> None:
        await watched.failover()

    async def flush(_load: Load) -> None:
        await (await watched.master()).command("FLUSHALL")

    await survives(fresh_folder("sentinel-services"), watched.url, kill, fail_over, flush)


# --- Redis Cluster -------------------------------------------------------------------------------------------------


@pytest.fixture
async def cluster(fresh_folder: FreshFolder) -> AsyncIterator[ClusterNodes]:
    async with redis_cluster(fresh_folder("cluster"), *DURABILITY) as found:
        yield found


async def test_a_cluster_loses_a_master_and_moves_its_slots(cluster: ClusterNodes, fresh_folder: FreshFolder) -> None:
    """A master killed, each partition moved to another node, a failover in order, and everything forgotten."""
    partitions = tags(DEFAULT_PARTITIONS)

    async def kill(load: Load) -> None:
        before = await cluster.master_of(partitions[0])
        await before.kill()
        await cluster.moved(partitions[0], before)
        await load.flows(RECOVERY_SECONDS)
        await before.start()
        await cluster.ok()

    async def reshard(load: Load) -> None:
        for tag in partitions:
            source = await cluster.master_of(tag)
            masters = [await cluster.master_of(one) for one in partitions]
            target = next(node for node in masters if node != source)
            await cluster.move_slot(tag, target)
        await load.flows(RECOVERY_SECONDS)

    async def fail_over(_load: Load) -> None:
        await cluster.fail_over(partitions[-1])

    async def flush(_load: Load) -> None:
        for node in {await cluster.master_of(tag) for tag in partitions}:
            await node.command("FLUSHALL")

    await survives(fresh_folder("cluster-services"), cluster.url, kill, reshard, fail_over, flush)
