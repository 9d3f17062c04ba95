"""Users and conversations fall evenly into partitions, whose keys a cluster keeps together."""

from collections import Counter
from collections.abc import AsyncIterator
from importlib.metadata import version

import pytest
from redis.crc import key_slot

from shared.protocol import keys
from shared.redis import Partitions, load_lua, open_partitions
from shared.redis.hash_tags import SLOTS, slot_of, tags

PARTITIONS = 16


@pytest.fixture
async def clustered() -> AsyncIterator[Partitions]:
    opened = open_partitions("redis+cluster://nowhere", PARTITIONS)
    yield opened
    await opened.aclose()


async def test_one_server_has_one_partition_with_literal_keys() -> None:
    partitions = open_partitions("redis://nowhere", PARTITIONS)
    assert len(partitions) == 1
    assert partitions.of("anyone").key(keys.UNREAD_CONVERSATION, "user", "talk") == "unread:conv:user:talk"
    await partitions.aclose()


@pytest.mark.parametrize("url", ["redis://nowhere", "redis+sentinel://nowhere/mymaster"])
async def test_a_connection_reads_no_metadata_of_packages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = open_partitions(url)
    monkeypatch.setattr("redis.utils.get_lib_version", None)
    connection = partitions.at(0).client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    assert connection.driver_info.lib_version == version("redis")
    await partitions.aclose()


async def test_names_spread_evenly(clustered: Partitions) -> None:
    counts = Counter(clustered.index_of(f"user-{number}") for number in range(16_000))
    assert len(counts) == PARTITIONS
    assert all(800 < count < 1200 for count in counts.values())


async def test_split_groups_by_partition(clustered: Partitions) -> None:
    names = [f"user-{number}" for number in range(100)]
    groups = clustered.split(names)
    assert sorted(name for group in groups.values() for name in group) == sorted(names)
    assert all(clustered.index_of(name) == index for index, group in groups.items() for name in group)


async def test_all_keys_of_a_partition_lie_in_one_slot(clustered: Partitions) -> None:
    for index in range(PARTITIONS):
        partition = clustered.at(index)
        whole = [
            partition.key(keys.INBOX, "a"),
            partition.key(keys.GATEWAY, "b"),
            partition.key(keys.LEASES_DUE),
            partition.tag,
        ]
        assert {key_slot(each.encode()) for each in whole} == {slot_of(partition.tag[1:-1])}


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
