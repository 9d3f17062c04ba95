"""How masters are found again."""

import asyncio

import pytest
from redis.asyncio.cluster import NodesManager

from shared.redis.topology import Cluster


async def test_all_who_lose_a_master_together_share_the_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, each would have waited for a node that doesn't answer. A reading may be older than the loss."""
    readings = 0

    async def read(*_: object, **__: object) -> None:
        nonlocal readings
        readings += 1
        await asyncio.sleep(0.01)

    monkeypatch.setattr(NodesManager, "initialize", read)
    cluster = Cluster("redis+cluster://127.0.0.1:1", 4)
    cluster._open = True
    await asyncio.gather(*(cluster.forget() for _ in range(20)))
    assert readings == 2
    await cluster.forget()
    assert readings == 3
    await cluster.aclose()
