"""A master and its Sentinels have users and passwords of their own, and the URL names both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import pytest

from shared.protocol import keys
from shared.redis import TRANSIENT_ERRORS, Partition, RedisError, Script, open_partitions
from shared.retry import retry_until_available
from tests.clusters.conftest import FreshFolder
from tests.support.redis_nodes import Node, Nodes

USER = "5d0ab2ea-3f2d-4a5e-9a53-50e2a5a6b0c1"

held = partial(retry_until_available, "sign-in")


async def _write(partition: Partition) -> None:
    await partition.client.sadd(partition.key(keys.BLOCKED, USER), "somebody")


@pytest.fixture
async def sentinel(fresh_folder: FreshFolder) -> AsyncIterator[Node]:
    """A Sentinel with a password, that watches a master with another one."""
    nodes = Nodes(fresh_folder("sign-in"))
    async with AsyncExitStack() as stack:
        master = nodes.node("master", "--requirepass", "s3cret")
        watch = (
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 1",
            "sentinel auth-pass mymaster s3cret",
            "requirepass w@tch",
        )
        found = nodes.node("sentinel", sentinel=watch)
        for node in (master, found):
            stack.push_async_callback(node.stop)
            await node.start()
        yield found


async def test_both_are_signed_in_to_and_the_database_is_chosen(sentinel: Node) -> None:
    partitions = open_partitions(
        f"redis+sentinel://default:s3cret@{sentinel.address}/mymaster?db=1&sentinel_password=w%40tch"
    )
    partition, prune = partitions.of(USER), Script("services.gateway.registry", "prune")
    # A Sentinel that is asked has a second to answer: services try again, too.
    await held(lambda: _write(partition))
    assert await held(lambda: prune(partition, "gateway", USER, "1")) == 1
    assert (await held(lambda: partition.client.info("keyspace"))).keys() == {"db1"}
    subscription = await held(lambda: partition.subscribe(lambda _payload: None, partition.key(keys.GATEWAYS)))
    assert not subscription.ended.done()
    subscription.abort()
    await partitions.aclose()


@pytest.mark.parametrize("password", ["", "&sentinel_password=wrong"])
async def test_a_sentinel_that_refuses_us_is_an_error(sentinel: Node, password: str) -> None:
    partitions = open_partitions(f"redis+sentinel://default:s3cret@{sentinel.address}/mymaster?db=1{password}")
    with pytest.raises((RedisError, *TRANSIENT_ERRORS)):
        await partitions.ping()
    await partitions.aclose()
