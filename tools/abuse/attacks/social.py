"""What one account says of itself to its friends, and whom it befriends."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import picows

from tools.abuse.attack import Attack
from tools.abuse.attacks.events import RATE, SOCKETS
from tools.abuse.hostile import Hostile, Http, ticks

PARALLEL: Final = 20
TOO_MANY: Final = frozenset({"429"})
MANY_FRIENDS: Final = 5_000
"""As many as are told of a change of status."""


async def statuses(hostile: Hostile) -> None:
    """`presence.set` from ten sockets, 50 a second, with 5,000 friends of whom 100 are connected."""
    sockets = await hostile.sockets(SOCKETS)
    async for number in ticks(50):
        await hostile.send(sockets[number % len(sockets)], "presence.set", status=("busy", "online")[number // 10 % 2])


async def comings_and_goings(hostile: Hostile) -> None:
    """Connect and close cleanly again and again, with 5,000 friends of whom 100 are connected."""
    async for _ in ticks(4):
        listener = await hostile.socket()
        if listener is not None and listener.transport is not None:
            listener.transport.send_close(picows.WSCloseCode.OK)


async def profiles(hostile: Hostile) -> None:
    """A new display name with each request, 20 at once, with 5,000 friends of whom 100 are connected."""

    async def again(http: Http) -> None:
        while True:
            await http.call("PATCH", "/chat/users/me", {"displayName": f"Mallory {secrets.token_hex(8)}"})

    await parallel(hostile, again)


async def claims(hostile: Hostile) -> None:
    """Ten new tokens a second, with ever new names and pictures that are none, five requests with each."""

    async def use(token: str) -> None:
        async with hostile.http(token) as http:
            for _ in range(5):
                await http.call("GET", "/chat/users/me")

    async with asyncio.TaskGroup() as tasks:
        async for _ in ticks(10):
            name = secrets.token_hex(8)
            token = hostile.token(name=name, preferred_username=hostile.name, picture=f"javascript:{name}")
            tasks.create_task(use(token))


async def follows(hostile: Hostile) -> None:
    """`PUT` and `DELETE` of follows of honest users, 20 at once."""

    async def again(http: Http) -> None:
        while True:
            for name in hostile.honest:
                await http.call("PUT", f"/chat/follows/{name}")
                await http.call("DELETE", f"/chat/follows/{name}")

    await parallel(hostile, again)


async def repeated_follows(hostile: Hostile) -> None:
    """The same `PUT` of a follow, 20 at once."""

    async def again(http: Http) -> None:
        while True:
            await http.call("PUT", f"/chat/follows/{hostile.partner}")

    await parallel(hostile, again)


async def parallel(hostile: Hostile, again: Callable[[Http], Awaitable[None]], count: int = PARALLEL) -> None:
    """Call `again` with so many connections of its own."""

    async def one() -> None:
        async with hostile.http() as http:
            await again(http)

    await asyncio.gather(*(one() for _ in range(count)))


ATTACKS: Final = (
    Attack("statuses", statuses, RATE, friends=MANY_FRIENDS),
    Attack("comings-and-goings", comings_and_goings, friends=MANY_FRIENDS),
    Attack("profiles", profiles, TOO_MANY, friends=MANY_FRIENDS),
    Attack("claims", claims, TOO_MANY),
    Attack("follows", follows, TOO_MANY),
    Attack("repeated-follows", repeated_follows, TOO_MANY),
)
