"""Who sends which notification: nobody twice, whoever gets it delivered again."""

import asyncio
from enum import StrEnum
from typing import Any, Final

from shared.protocol import keys
from shared.redis import Shards

REDIS_COMMANDS: Final = 16
"""At once; the client has 64 connections to a server, and raises when there are no more."""
MARGIN_SECONDS: Final = 5
"""A claim outlives its request by this much: the time to note what came of it."""
ACCEPTED_SECONDS: Final = 86_400


class Claim(StrEnum):
    """What came of a claim."""

    MINE = "mine"
    SENDING = "sending"
    """Another replica is at it, or died at it a few seconds ago."""
    ACCEPTED = "accepted"


class Claims:
    """One key for each (message, subscription): absent, `sending`, or `accepted`.

    Whoever claimed a notification and died is waited for. What is left is the time between the push service's answer and
    `accept`, and a request that was accepted after its time-out: then a notification is sent again, and the device shows
    the second in place of the first, since both have the same tag.
    """

    def __init__(self, shards: Shards, request_seconds: float) -> None:
        self._shards = shards
        self._places = asyncio.Semaphore(REDIS_COMMANDS)
        self._sending_ms = round((request_seconds + MARGIN_SECONDS) * 1000)

    async def claim(self, user_id: str, message_id: str, subscription_id: str) -> Claim:
        """Try to become the one that sends it. Raises what redis-py raises, as the other methods do."""
        name = keys.key(keys.PUSHED, message_id, subscription_id)
        client = self._shards.of(user_id)
        async with self._places:
            before: Any = await client.set(name, Claim.SENDING, nx=True, get=True, px=self._sending_ms)
        return Claim.MINE if before is None else Claim(before.decode())

    async def accept(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """It is with the push service: never again."""
        name = keys.key(keys.PUSHED, message_id, subscription_id)
        async with self._places:
            await self._shards.of(user_id).set(name, Claim.ACCEPTED, ex=ACCEPTED_SECONDS)

    async def release(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """It wasn't accepted: whoever comes next may try."""
        async with self._places:
            await self._shards.of(user_id).delete(keys.key(keys.PUSHED, message_id, subscription_id))
