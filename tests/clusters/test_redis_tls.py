"""Sentinels and a cluster that speak TLS: services find the master, check its certificate, and follow it when it changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from shared.protocol import keys
from shared.redis import DEFAULT_PARTITIONS, TRANSIENT_ERRORS, Partitions, RedisError, Script, open_partitions
from shared.retry import retry_until_available
from tests.clusters.conftest import FreshFolder
from tests.support.certificates import Certificates, make_certificates
from tests.support.redis_cluster import redis_cluster
from tests.support.redis_nodes import Node, until_true
from tests.support.redis_sentinel import redis_sentinel

USER = "5d0ab2ea-3f2d-4a5e-9a53-50e2a5a6b0c1"
_prune = Script("services.gateway.registry", "prune")
held = partial(retry_until_available, "tls")


@pytest.fixture
def certificates(fresh_folder: FreshFolder) -> Certificates:
    return make_certificates(fresh_folder("certificates"))


def trusting(url: str, certificates: Certificates) -> str:
    """The URL for clients that trust the authority."""
    scheme, _, rest = url.partition("://")
    mark = "&" if "?" in rest else "?"
    return f"{scheme.replace('redis', 'rediss')}://{rest}{mark}ssl_ca_certs={certificates.authority}"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Partitions]:
    partitions = open_partitions(url, DEFAULT_PARTITIONS)
    try:
        yield partitions
    finally:
        await partitions.aclose()


async def works(partitions: Partitions, value: str) -> None:
    """By redis-py's connections, by ours, and by pub/sub."""
    partition, heard = partitions.of(USER), list[bytes]()
    key, topic = partition.key(keys.UNREAD_TOTAL, USER), partition.key(keys.GATEWAYS)
    await held(lambda: _set(partitions, key, value))
    assert await held(lambda: _get(partitions, key)) == value.encode()
    assert await held(lambda: _prune(partition, "gateway", USER, "1")) == 1
    subscription = await held(lambda: partition.subscribe(heard.append, topic))
    await held(lambda: partition.publish(topic, value.encode()))

    async def came() -> bool:
        return heard == [value.encode()]

    await until_true(came)
    subscription.abort()


async def _set(partitions: Partitions, key: str, value: str) -> None:
    await partitions.of(USER).client.set(key, value)


async def _get(partitions: Partitions, key: str) -> object:
    return await partitions.of(USER).client.get(key)


async def is_refused(url: str) -> None:
    """A client that doesn't know the authority doesn't speak with the server."""
    async with opened(url) as partitions:
        with pytest.raises((RedisError, *TRANSIENT_ERRORS)):
            await partitions.ping()


async def test_sentinels(certificates: Certificates, fresh_folder: FreshFolder) -> None:
    async with redis_sentinel(fresh_folder("sentinel-tls"), certificates=certificates) as watched:
        url = trusting(watched.url, certificates)
        async with opened(url) as partitions:
            await works(partitions, "before")
            master: Node = await watched.master()
            await master.kill()
            await watched.promoted(master)
            await works(partitions, "after")
        await is_refused(url.partition("&ssl_ca_certs")[0])


async def test_a_cluster(certificates: Certificates, fresh_folder: FreshFolder) -> None:
    async with redis_cluster(fresh_folder("cluster-tls"), certificates=certificates) as cluster:
        url = trusting(cluster.url, certificates)
        async with opened(url) as partitions:
            await works(partitions, "before")
            tag = partitions.of(USER).tag
            await cluster.fail_over(tag)
            await works(partitions, "after")
        await is_refused(url.partition("?")[0])
