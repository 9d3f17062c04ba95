"""Spreading names over servers, and filling prefixes into scripts."""

from collections import Counter

import pytest

from shared.redis import Shards


def test_one_server_has_everything() -> None:
    assert Shards(["redis://a"]).index_of("anyone") == 0


def test_names_spread_evenly() -> None:
    shards = Shards(["redis://a", "redis://b", "redis://c"])
    counts = Counter(shards.index_of(f"user-{number}") for number in range(3000))
    assert all(850 < count < 1150 for count in counts.values())


def test_a_new_server_takes_its_share_and_moves_nothing_else() -> None:
    before, after = Shards(["redis://a", "redis://b"]), Shards(["redis://a", "redis://b", "redis://c"])
    moved = [after.index_of(name) for name in map(str, range(3000)) if before.index_of(name) != after.index_of(name)]
    assert set(moved) == {2}
    assert 850 < len(moved) < 1150


def test_no_server_is_an_error() -> None:
    with pytest.raises(ValueError, match="no Redis server"):
        Shards([])


def test_split_groups_by_server() -> None:
    shards = Shards(["redis://a", "redis://b"])
    groups = shards.split(["x", "y", "z"])
    assert sorted(name for names in groups.values() for name in names) == ["x", "y", "z"]
    assert all(shards.index_of(name) == index for index, names in groups.items() for name in names)
