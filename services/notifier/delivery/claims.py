"""Claims: decide which replica sends a notification, so that a redelivered AMQP message doesn't send a second one."""

import asyncio
from enum import StrEnum
from typing import Any, Final

from shared.protocol import keys
from shared.redis import Partitions

REDIS_COMMANDS: Final = 16
"""Concurrent commands: the client has 64 connections to a server, and other parts need some of them."""
MARGIN_SECONDS: Final = 5
"""A claim lives this much longer than the time-out of its request, so that there is time to store the outcome."""
ACCEPTED_SECONDS: Final = 86_400


class Claim(StrEnum):
    """The result of a claim."""

    MINE = "mine"
    """Nobody else sends it: the caller does."""
    SENDING = "sending"
    """Another replica is making the request, or died a few seconds ago while it did."""
    ACCEPTED = "accepted"


class Claims:
    """One key for each (message, subscription): absent, `sending`, or `accepted`.

    The claim of a replica that died expires. A notification can still be sent twice in two cases: when the replica dies between
    the push service's answer and `accept`, and when the service accepts a request after its time-out. Then the second
    notification replaces the first on the device, because both have the same tag.
    """

    def __init__(self, partitions: Partitions, request_seconds: float) -> None:
        self._partitions = partitions
        self._commands = asyncio.Semaphore(REDIS_COMMANDS)
        self._sending_ms = round((request_seconds + MARGIN_SECONDS) * 1000)

    async def claim(self, user_id: str, message_id: str, subscription_id: str) -> Claim:
        """Try to claim the notification. Raises what redis-py raises, as the other methods do."""
        partition = self._partitions.of(user_id)
        name = partition.key(keys.PUSHED, message_id, subscription_id)
        async with self._commands:
            before: Any = await partition.client.set(name, Claim.SENDING, nx=True, get=True, px=self._sending_ms)
        return Claim.MINE if before is None else Claim(before.decode())

    async def accept(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """Record that the push service accepted it, so that it is never sent again."""
        partition = self._partitions.of(user_id)
        name = partition.key(keys.PUSHED, message_id, subscription_id)
        async with self._commands:
            await partition.client.set(name, Claim.ACCEPTED, ex=ACCEPTED_SECONDS)

    async def release(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """Release a claim after a failure: the next attempt may claim it."""
        partition = self._partitions.of(user_id)
        async with self._commands:
            await partition.client.delete(partition.key(keys.PUSHED, message_id, subscription_id))
