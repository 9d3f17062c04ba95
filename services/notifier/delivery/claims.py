"""Claims: which replica sends a notification, so that a redelivered AMQP message leads to no second one."""

import asyncio
from enum import StrEnum
from typing import Any, Final

from shared.protocol import keys
from shared.redis import Partitions

REDIS_COMMANDS: Final = 16
"""Commands at once: the client has 64 connections to a server, and everybody else needs some of them."""
MARGIN_SECONDS: Final = 5
"""A claim outlives the time-out of its request by this much: the time to store the outcome."""
ACCEPTED_SECONDS: Final = 86_400


class Claim(StrEnum):
    """The result of a claim."""

    MINE = "mine"
    SENDING = "sending"
    """Another replica makes the request now, or died while it did, a few seconds ago."""
    ACCEPTED = "accepted"


class Claims:
    """One key for each (message, subscription): absent, `sending`, or `accepted`.

    The claim of a replica that died expires. Two cases are left in which a notification is sent twice: the replica dies
    between the push service's answer and `accept`, or the service accepts a request after its time-out. Then the device
    shows the second notification in place of the first, since both have the same tag.
    """

    def __init__(self, partitions: Partitions, request_seconds: float) -> None:
        self._partitions = partitions
        self._places = asyncio.Semaphore(REDIS_COMMANDS)
        self._sending_ms = round((request_seconds + MARGIN_SECONDS) * 1000)

    async def claim(self, user_id: str, message_id: str, subscription_id: str) -> Claim:
        """Try to become the one that sends it. Raises what redis-py raises, as the other methods do."""
        partition = self._partitions.of(user_id)
        name = partition.key(keys.PUSHED, message_id, subscription_id)
        async with self._places:
            before: Any = await partition.client.set(name, Claim.SENDING, nx=True, get=True, px=self._sending_ms)
        return Claim.MINE if before is None else Claim(before.decode())

    async def accept(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """The push service has it: it is never sent again."""
        partition = self._partitions.of(user_id)
        name = partition.key(keys.PUSHED, message_id, subscription_id)
        async with self._places:
            await partition.client.set(name, Claim.ACCEPTED, ex=ACCEPTED_SECONDS)

    async def release(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """It wasn't accepted: the next attempt may claim it."""
        partition = self._partitions.of(user_id)
        async with self._places:
            await partition.client.delete(partition.key(keys.PUSHED, message_id, subscription_id))
