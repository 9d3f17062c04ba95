"""Replicas announce their features, and a gateway offers those of all replicas."""

import asyncio

import pytest
from redis.asyncio import Redis

from shared.features import OfferedFeatures, announce_forever
from shared.protocol import keys
from shared.protocol.features import FEATURES, served_by
from shared.redis import Partitions, open_partitions


@pytest.fixture
async def partitions(one_partition: Partitions, redis_url: str) -> Partitions:
    """Nobody has said anything."""
    client = Redis.from_url(redis_url)
    await client.delete(*(keys.key(keys.SERVED, service) for service in ("media", "messaging")))
    await client.aclose()
    return one_partition


async def until_offered(features: OfferedFeatures, names: list[str]) -> None:
    """Ask until this is the answer; fails after 30 s."""
    async with asyncio.timeout(30):
        while features.names != names:
            await features.refresh()
            await asyncio.sleep(0.01)


async def test_a_replica_of_an_earlier_release_keeps_what_it_lacks_from_clients(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.features.COUNTS_SECONDS", 1.0)
    monkeypatch.setattr("shared.features.PERIOD_SECONDS", 0.1)
    offered = OfferedFeatures(partitions)
    assert offered.names == list(FEATURES)
    former = served_by("messaging") - {"reaction"}
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(announce_forever(partitions, service, instance, features))
            for service, instance, features in (
                ("media", "media-1", served_by("media")),
                ("messaging", "messaging-1", served_by("messaging")),
                ("messaging", "messaging-2", former),
            )
        ]
        await until_offered(offered, [name for name in FEATURES if name != "reaction"])
        # It is replaced.
        tasks[-1].cancel()
        await until_offered(offered, list(FEATURES))
        # The service that takes uploads goes, and nobody follows.
        tasks[0].cancel()
        await until_offered(offered, [name for name in FEATURES if name != "upload"])
        tasks[1].cancel()


async def test_what_was_known_stays_while_redis_is_away() -> None:
    away = open_partitions("redis://127.0.0.1:1/0")
    offered = OfferedFeatures(away)
    await offered.refresh()
    assert offered.names == list(FEATURES)
    await away.aclose()
