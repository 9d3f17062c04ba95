"""Users and conversations fall evenly into partitions, whose keys a cluster keeps together."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from redis.crc import key_slot

from shared.protocol import keys
from shared.redis import Shards, load_lua, open_shards
from shared.redis.hash_tags import SLOTS, slot_of, tags

PARTITIONS = 16


@pytest.fixture
async def clustered() -> AsyncIterator[Shards]:
    opened = open_shards("redis+cluster://nowhere", PARTITIONS)
    yield opened
    await opened.aclose()


async def test_one_server_has_one_partition_with_literal_keys() -> None:
    shards = open_shards("redis://nowhere", PARTITIONS)
    assert len(shards) == 1
    assert shards.of("anyone").key(keys.UNREAD_CONVERSATION, "user", "talk") == "unread:conv:user:talk"
    await shards.aclose()


async def test_names_spread_evenly(clustered: Shards) -> None:
    counts = Counter(clustered.index_of(f"user-{number}") for number in range(16_000))
    assert len(counts) == PARTITIONS
    assert all(800 < count < 1200 for count in counts.values())


async def test_split_groups_by_partition(clustered: Shards) -> None:
    names = [f"user-{number}" for number in range(100)]
    groups = clustered.split(names)
    assert sorted(name for group in groups.values() for name in group) == sorted(names)
    assert all(clustered.index_of(name) == index for index, group in groups.items() for name in group)


async def test_all_keys_of_a_partition_lie_in_one_slot(clustered: Shards) -> None:
    for index in range(PARTITIONS):
        shard = clustered.at(index)
        whole = [shard.key(keys.INBOX, "a"), shard.key(keys.GATEWAY, "b"), shard.key(keys.LEASES_DUE), shard.tag]
        assert {key_slot(each.encode()) for each in whole} == {slot_of(shard.tag[1:-1])}


@pytest.mark.parametrize("partitions", [1, 3, 16, 100, 1024])
def test_partitions_lie_evenly_over_the_slots(partitions: int) -> None:
    """So does each of several nodes that hold equal ranges of slots get its share."""
    places = [key_slot(tag.encode()) * partitions // SLOTS for tag in tags(partitions)]
    assert places == list(range(partitions))


def test_scripts_get_the_hash_tag_and_the_sharded_commands() -> None:
    plain = load_lua("services.messaging.fanout", "fanout")
    tagged = load_lua("services.messaging.fanout", "fanout", "{7}", clustered=True)
    assert "'routes:'" in plain
    assert "'PUBLISH'" in plain
    assert "'{7}routes:'" in tagged
    assert "'SPUBLISH'" in tagged
