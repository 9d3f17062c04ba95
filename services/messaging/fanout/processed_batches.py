"""Which batches were processed completely, that is, stored and announced: redelivered, they need nothing more.

A process may die between the fan-out and the acknowledgement. Without this memory, all events of its last cycle would be
sent twice. The fan-out script remembers a batch itself, or `remember` does when something had to follow the fan-out.
Forgetting costs repetitions, not messages.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.protocol import keys
from shared.protocol.relay import CommandBatch
from shared.redis import Shards

MAX_BATCHES: Final = 4096
"""The newest of each gateway that are remembered: half a minute under full load."""
MAX_SECONDS: Final = 3600
"""How long a gateway that is silent is remembered."""


class ProcessedBatches:
    """Keeps their ids in Redis. Every method raises RedisError."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def find(self, batches: Iterable[CommandBatch]) -> set[tuple[str, int]]:
        """(gateway, batch) of those that were processed."""
        known: set[tuple[str, int]] = set()
        for batch in batches:
            server, key = self._shards.of(batch.gateway_id), keys.key(keys.PROCESSED_BATCHES, batch.gateway_id)
            newest = await server.hget(key, str(batch.batch_id % MAX_BATCHES))
            if newest is not None and int(newest) == batch.batch_id:
                known.add((batch.gateway_id, batch.batch_id))
        return known

    async def remember(self, completed: Sequence[str | int]) -> None:
        """These were processed: gateway, batch, gateway, batch …"""
        for gateway_id, batch_id in zip(completed[::2], completed[1::2], strict=True):
            key = keys.key(keys.PROCESSED_BATCHES, str(gateway_id))
            async with self._shards.of(str(gateway_id)).pipeline(transaction=False) as pipe:
                pipe.hset(key, str(int(batch_id) % MAX_BATCHES), str(batch_id))
                pipe.expire(key, MAX_SECONDS)
                await pipe.execute()
