"""A command on a connection that was closed just now: uvloop raises RuntimeError, and redis-py expects OSError."""

import asyncio
from typing import Any, cast

import pytest
import uvloop
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.redis import topology_of


async def command_after_abort(url: str) -> None:
    topology = topology_of(url, 1)
    try:
        connection: Any = await cast(Any, topology.client(0)).connection_pool.get_connection()
        connection._writer.transport.abort()
        await connection.send_command("PING")
    finally:
        await topology.aclose()


async def test_it_is_a_lost_connection(redis_url: str) -> None:
    """It ended a replica of presence when a master was killed just after a connection to it was opened."""
    with pytest.raises(RedisConnectionError):
        await asyncio.to_thread(uvloop.run, command_after_abort(redis_url))


@pytest.mark.parametrize("url", ["redis+cluster://127.0.0.1:1", "rediss+cluster://127.0.0.1:1"])
async def test_the_connections_of_a_cluster_raise_it_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topology: Any = topology_of(url, 1)

    async def closed(*_: object, **__: object) -> None:
        raise RuntimeError("the handler is closed")

    monkeypatch.setattr(AbstractConnection, "send_packed_command", closed)
    (node,) = topology._cluster.startup_nodes
    for made_of in (node.connection_class, topology._cluster.nodes_manager.connection_kwargs["connection_class"]):
        with pytest.raises(RedisConnectionError):
            await made_of(**node.connection_kwargs).send_command("PING")
    await topology.aclose()
