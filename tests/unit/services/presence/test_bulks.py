"""How the statuses of friends are divided among scripts."""

from services.presence.bulks import Bulk
from services.presence.routes import READ_PER_CALL
from shared.parts import parts_by_weight
from shared.protocol import limits


def bulk(friends: int, absent: int = 0, connections: int = 1) -> Bulk:
    return Bulk([("gateway", "connection")] * connections, "user", ["friend"] * friends, ["absent"] * absent, 1)


def scripts_of(bulks: list[Bulk]) -> list[list[Bulk]]:
    """The bulks of each script."""
    return list(parts_by_weight(bulks, lambda each: each.weight, READ_PER_CALL))


def test_many_friends_of_one_user_are_read_by_several_scripts() -> None:
    """Acknowledgements wait for scripts."""
    bulks = [bulk(limits.STATUS_BULK_CHUNK) for _ in range(10)]
    assert scripts_of(bulks) == [[each] for each in bulks]


def test_users_with_few_friends_share_scripts() -> None:
    bulks = [bulk(20, absent=4) for _ in range(25)]
    parts = scripts_of(bulks)
    assert [each for part in parts for each in part] == bulks
    assert [len(part) for part in parts] == [10, 10, 5]
    assert all(sum(each.weight for each in part[:-1]) < READ_PER_CALL for part in parts)


def test_a_copy_for_another_connection_takes_less_time_than_reading_again() -> None:
    assert bulk(100).weight < bulk(100, connections=10).weight < 2 * bulk(100).weight
