"""Which lane a command goes to."""

from collections.abc import AsyncIterator

import pytest

from services.presence.consumer import split_commands, split_renewals
from shared.protocol import relay
from shared.redis import Partitions
from tests.support.redis import two_partitions


@pytest.fixture
async def partitions() -> AsyncIterator[Partitions]:
    opened = two_partitions("redis://127.0.0.1:1")
    yield opened
    await opened.aclose()


@pytest.fixture
def users(partitions: Partitions) -> list[str]:
    """Two on server 0, then two on server 1."""
    names = [f"user-{number}" for number in range(100)]
    return [name for server in (0, 1) for name in [each for each in names if partitions.index_of(each) == server][:2]]


def test_commands_go_by_the_servers_of_their_users_in_order(partitions: Partitions, users: list[str]) -> None:
    a, b, c, d = users
    commands: list[relay.PresenceCommand] = [
        relay.Connected(c, "1", "g", 1),
        relay.Connected(a, "2", "g", 1),
        relay.BlockChanged(d, b, True, 1),
        relay.BlockChanged(a, b, True, 1),
        relay.SetStatus(a, "2", "busy"),
        relay.Disconnected(c, "1", True, 1),
    ]
    shares = split_commands(partitions, relay.PresenceBatch(commands))
    assert {lane: share.commands for lane, share in shares.items()} == {
        (0,): [commands[1], commands[3], commands[4]],
        (1,): [commands[0], commands[5]],
        (0, 1): [commands[2]],
    }


def test_renewals_go_by_the_servers_of_their_users(partitions: Partitions, users: list[str]) -> None:
    a, b, c, _ = users
    shares = split_renewals(partitions, relay.LeaseRenewal("g", 7, [(a, "1"), (c, "2"), (b, "3")]))
    assert shares == {
        (0,): relay.LeaseRenewal("g", 7, [(a, "1"), (b, "3")]),
        (1,): relay.LeaseRenewal("g", 7, [(c, "2")]),
    }
