"""Which batches are told whole: coming again, they have nothing to say.

A process may die between telling and acknowledging; without this, all that it told last would be told twice. A batch is
remembered by the fan-out script itself, or here when something had to follow it. Forgetting costs repetitions, not messages.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.protocol import keys
from shared.protocol.relay import CommandBatch
from shared.redis import Shards

BATCHES: Final = 4096
"""The newest of each gateway that are remembered: half a minute under full load."""
SECONDS: Final = 3600
"""How long a gateway that is silent is remembered."""


class Finished:
    """The memory of it in Redis. Every method raises RedisError."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def among(self, batches: Iterable[CommandBatch]) -> set[tuple[str, int]]:
        """(gateway, batch) of those that are told whole."""
        told: set[tuple[str, int]] = set()
        for batch in batches:
            server, key = self._shards.of(batch.gateway_id), keys.key(keys.FINISHED, batch.gateway_id)
            newest = await server.hget(key, str(batch.batch_id % BATCHES))
            if newest is not None and int(newest) == batch.batch_id:
                told.add((batch.gateway_id, batch.batch_id))
        return told

    async def remember(self, completed: Sequence[str | int]) -> None:
        """These are told whole: gateway, batch, gateway, batch …"""
        for gateway_id, batch_id in zip(completed[::2], completed[1::2], strict=True):
            key = keys.key(keys.FINISHED, str(gateway_id))
            async with self._shards.of(str(gateway_id)).pipeline(transaction=False) as pipe:
                pipe.hset(key, str(int(batch_id) % BATCHES), str(batch_id))
                pipe.expire(key, SECONDS)
                await pipe.execute()
