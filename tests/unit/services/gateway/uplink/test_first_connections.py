"""services.gateway.uplink.first_connections: what is reported together, and when nothing is left to report."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.gateway.registry.friends import FRIENDS_BATCH
from services.gateway.uplink.direct_presence import Report
from services.gateway.uplink.first_connections import FirstConnections
from shared.protocol import relay


class Friends:
    """Reads no friends, in place of PostgreSQL; every read waits for `answer`."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def read_friends(self, versions: Mapping[str, str]) -> dict[str, relay.FriendList]:
        self.reads.append(list(versions))
        await self.answer
        return {}


def connected(number: int) -> relay.Connected:
    return relay.Connected(f"user {number}", f"connection {number}", "gateway", 0)


def first_connections(friends: Friends, leave: Callable[[Report], None]) -> FirstConnections:
    direct: Any = friends
    return FirstConnections(direct, leave)


async def test_those_that_come_during_a_read_are_read_together() -> None:
    friends, left = Friends(), asyncio.Queue[Report]()
    first = first_connections(friends, left.put_nowait)
    running = asyncio.create_task(first.run())
    first.add(connected(0), "")
    await asyncio.sleep(0)
    for number in range(1, FRIENDS_BATCH + 2):
        first.add(connected(number), "")
    assert not first.idle
    friends.answer.set_result(None)
    assert [await left.get() for _ in range(FRIENDS_BATCH + 2)] == [
        connected(number) for number in range(FRIENDS_BATCH + 2)
    ]
    assert [len(read) for read in friends.reads] == [1, FRIENDS_BATCH, 1]
    running.cancel()


async def test_a_read_that_fails_is_no_longer_under_way() -> None:
    """A drain would wait for it otherwise, although the failed task ends the process."""
    friends = Friends()
    first = first_connections(friends, lambda report: None)
    first.add(connected(0), "")
    friends.answer.set_exception(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await first.run()
    assert first.idle


async def test_friends_that_were_read_already_are_not_read_again() -> None:
    known = relay.FriendList("user 0", "7", ["friend"])
    carried_out: asyncio.Queue[Any] = asyncio.Queue()

    class Direct(Friends):
        async def carry_out(self, commands: Any, friends: Any) -> list[Report]:
            carried_out.put_nowait((commands, friends))
            return []

    direct = Direct()
    first = first_connections(direct, lambda report: None)
    running = asyncio.create_task(first.run())
    first.add(connected(0), "7", known)
    assert await carried_out.get() == ([connected(0)], [known])
    assert direct.reads == []
    running.cancel()
