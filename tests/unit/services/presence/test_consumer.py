"""Which lane a command goes to."""

from collections.abc import AsyncIterator

import pytest

from services.presence.consumer import Lane, split_commands, split_renewals
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
    shares = split_commands(partitions, (), relay.PresenceBatch(commands), ())
    assert {lane: share.commands for lane, share in shares.items()} == {
        Lane((0,)): [commands[1], commands[3], commands[4]],
        Lane((1,)): [commands[0], commands[5]],
        Lane((0, 1)): [commands[2]],
    }


def test_users_with_a_lane_of_their_own_hold_up_nobody(partitions: Partitions, users: list[str]) -> None:
    """A block concerns two users, and goes with the others."""
    a, b, c, _ = users
    commands: list[relay.PresenceCommand] = [
        relay.Connected(a, "1", "g", 1),
        relay.Connected(b, "2", "g", 1),
        relay.BlockChanged(a, b, True, 1),
        relay.SetStatus(a, "1", "busy"),
        relay.Connected(c, "3", "g", 1),
    ]
    shares = split_commands(partitions, {a}, relay.PresenceBatch(commands), {Lane((1,), c)})
    assert {lane: share.commands for lane, share in shares.items()} == {
        Lane((0,), a): [commands[0], commands[3]],
        Lane((0,)): [commands[1], commands[2]],
        Lane((1,), c): [commands[4]],
    }


def test_renewals_go_by_the_servers_of_their_users(partitions: Partitions, users: list[str]) -> None:
    a, b, c, _ = users
    shares = split_renewals(partitions, relay.LeaseRenewal("g", 7, [(a, "1"), (c, "2"), (b, "3")]))
    assert shares == {
        Lane((0,)): relay.LeaseRenewal("g", 7, [(a, "1"), (b, "3")]),
        Lane((1,)): relay.LeaseRenewal("g", 7, [(c, "2")]),
    }
