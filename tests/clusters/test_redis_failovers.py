"""Redis changes under load: nothing that was acknowledged is lost, doubled or out of order, and service goes on.

One server behind an address that moves to its replica, a master that Sentinels replace, and a Redis Cluster. The short form
does each thing on one topology only.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared.redis import DEFAULT_PARTITIONS
from shared.redis.hash_tags import tags
from tests.clusters import report
from tests.clusters.availability import watched
from tests.clusters.conftest import FreshFolder
from tests.clusters.redis_system import Servers, running
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
REST_SECONDS = 3.0
"""The longest time without an answer to REST, of which the same is true."""
AFTERMATH_SECONDS = 6.0
"""Gateways look every 5 s whether Redis has lost something, and close their connections then: that belongs to the row."""
LONG = os.environ.get("CLUSTERS") == "long"

pytestmark = pytest.mark.timeout(400)

Act = Callable[[Load], Awaitable[None]]


def long(*acts: tuple[str, Act]) -> tuple[tuple[str, Act], ...]:
    """What only the long form does."""
    return acts if LONG else ()


@pytest.fixture
def others(database_url: str, amqp_url: str) -> tuple[str, str]:
    """PostgreSQL and RabbitMQ."""
    return database_url, amqp_url


async def survives(folder: Path, servers: Servers, *acts: tuple[str, Act]) -> None:
    """Do something under load, and see that messages flow again and that all of them came as they should."""
    happened: list[tuple[str, float, float]] = []
    try:
        async with (
            running(folder, os.environ, servers) as system,
            chatting(system) as load,
            watched(system.url, asks=LONG) as kept,
        ):
            for name, act in acts:
                begun = time.monotonic()
                await act(load)
                await load.flows(RECOVERY_SECONDS)
                if LONG:
                    await asyncio.sleep(AFTERMATH_SECONDS)
                    await load.flows(RECOVERY_SECONDS)
                happened.append((name, begun, time.monotonic()))
            await load.finish()
            for name, begun, ended in happened if LONG else ():
                waits = report.Waits.within(begun, ended, load, kept)
                report.write(name, report.acknowledged(load, begun, ended), waits)
                assert waits.acknowledgement <= SILENCE_SECONDS, name
                assert waits.rest <= REST_SECONDS, name
    except NoServer as error:
        pytest.skip(f"cluster tests need the servers' programs: {error}")


# --- one server ----------------------------------------------------------------------------------------------------


class Moving:
    """An address that leads to one of two servers, as that of a managed Redis does. Open connections stay open."""

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


async def test_roles_change_behind_one_address(
    moving: tuple[str, Moving], others: tuple[str, str], fresh_folder: FreshFolder
) -> None:
    url, servers = moving

    async def change(_load: Load) -> None:
        await servers.change_roles()

    await survives(
        fresh_folder("moving-services"),
        Servers(*others, url),
        ("Redis: roles change behind one address", change),
        *long(("Redis: they change back", change)),
    )


# --- Sentinel ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def sentinels(fresh_folder: FreshFolder) -> AsyncIterator[Watched]:
    async with redis_sentinel(fresh_folder("sentinel"), *DURABILITY) as found:
        yield found


async def test_sentinels_replace_a_master(
    sentinels: Watched, others: tuple[str, str], fresh_folder: FreshFolder
) -> None:
    """Killed, with the messages that its replica did not have yet; then in order; then everything is forgotten."""

    async def kill(load: Load) -> None:
        before = await sentinels.master()
        await before.kill()
        await sentinels.promoted(before)
        await load.flows(RECOVERY_SECONDS)
        await before.start()
        await sentinels.replicates()

    async def fail_over(_load: Load) -> None:
        await sentinels.failover()

    async def flush(_load: Load) -> None:
        await (await sentinels.master()).command("FLUSHALL")

    await survives(
        fresh_folder("sentinel-services"),
        Servers(*others, sentinels.url),
        ("Redis with Sentinels: kill -9 of the master", kill),
        *long(("Redis with Sentinels: a planned failover", fail_over)),
        ("Redis with Sentinels: FLUSHALL", flush),
    )


# --- Redis Cluster -------------------------------------------------------------------------------------------------


@pytest.fixture
async def cluster(fresh_folder: FreshFolder) -> AsyncIterator[ClusterNodes]:
    async with redis_cluster(fresh_folder("cluster"), *DURABILITY) as found:
        yield found


async def test_a_cluster_loses_a_master_and_moves_its_slots(
    cluster: ClusterNodes, others: tuple[str, str], fresh_folder: FreshFolder
) -> None:
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

    await survives(
        fresh_folder("cluster-services"),
        Servers(*others, cluster.url),
        ("Redis Cluster: kill -9 of a master", kill),
        ("Redis Cluster: each of 16 partitions moves", reshard),
        *long(
            ("Redis Cluster: a planned failover", fail_over),
            ("Redis Cluster: FLUSHALL on every master", flush),
        ),
    )
