"""Who sends which notification: nobody twice, whoever gets it delivered again."""

from enum import StrEnum
from typing import Any, Final

from shared.protocol import keys
from shared.redis import Shards

SENDING_SECONDS: Final = 20
"""How long a claim lasts: longer than a request may take (5 s). Whoever claimed it and died is waited for that long."""
ACCEPTED_SECONDS: Final = 86_400


class Claim(StrEnum):
    """What came of a claim."""

    MINE = "mine"
    SENDING = "sending"
    """Another replica is at it, or died at it less than 20 s ago."""
    ACCEPTED = "accepted"


class Claims:
    """One key for each (message, subscription): absent, `sending`, or `accepted`.

    What is left is the time between the push service's answer and `accept`: a process that is killed then, or a request
    that was accepted but timed out, leaves a notification that is sent again, and replaced on the device by its tag.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def claim(self, user_id: str, message_id: str, subscription_id: str) -> Claim:
        """Try to become the one that sends it. Raises what redis-py raises, as the other methods do."""
        name = keys.key(keys.PUSHED, message_id, subscription_id)
        client = self._shards.of(user_id)
        before: Any = await client.set(name, Claim.SENDING, nx=True, get=True, ex=SENDING_SECONDS)
        return Claim.MINE if before is None else Claim(before.decode())

    async def accept(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """It is with the push service: never again."""
        name = keys.key(keys.PUSHED, message_id, subscription_id)
        await self._shards.of(user_id).set(name, Claim.ACCEPTED, ex=ACCEPTED_SECONDS)

    async def release(self, user_id: str, message_id: str, subscription_id: str) -> None:
        """It wasn't accepted: whoever comes next may try."""
        await self._shards.of(user_id).delete(keys.key(keys.PUSHED, message_id, subscription_id))
