"""No attacks: what as many requests and messages cost when nobody does anything wrong. Ratios are to be seen beside these."""

import asyncio
import itertools
from typing import Final

from tools.abuse.attack import Attack
from tools.abuse.attacks.events import SOCKETS, large_message
from tools.abuse.hostile import Hostile, Http, ticks
from tools.devtoken import mint

REQUESTS_A_SECOND: Final = 80
"""About what is left of a flood of one account: what the services answer, and what HAProxy refuses."""
MESSAGES_A_SECOND: Final = 7
MESSAGES: Final = 30
"""As many as one account may send at once, or over four seconds."""
PATHS: Final = ("/chat/conversations", "/chat/unread", "/chat/friends", "/chat/users/me")


async def requests(hostile: Hostile) -> None:
    """No attack: 80 requests a second of a hundred honest accounts, which is allowed."""
    waiting: asyncio.Queue[str] = asyncio.Queue()
    clients = [Http(hostile, mint(name)) for name in hostile.honest]

    async def work(mine: list[Http]) -> None:
        for http in itertools.cycle(mine):
            await http.call("GET", await waiting.get())

    workers = [asyncio.create_task(work(clients[number::SOCKETS])) for number in range(min(SOCKETS, len(clients)))]
    try:
        async for number in ticks(REQUESTS_A_SECOND):
            waiting.put_nowait(PATHS[number % len(PATHS)])
    finally:
        for task in workers:
            task.cancel()
        for http in clients:
            http.close()


async def messages(hostile: Hostile) -> None:
    """No attack: 30 messages of 24 KB over ten sockets, which is allowed."""
    await hostile.socket(name=hostile.partner)
    sockets = await hostile.sockets(SOCKETS)
    async for number in ticks(MESSAGES_A_SECOND):
        if number >= MESSAGES:
            continue
        await hostile.send(sockets[number % len(sockets)], "message.send", **large_message(hostile))


ATTACKS: Final = (
    Attack("allowed-requests", requests),
    Attack("allowed-messages", messages),
)
