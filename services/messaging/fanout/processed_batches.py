"""Which batches were processed completely, that is, stored and announced: redelivered, they need nothing more.

A process may die between the fan-out and the acknowledgement. Without this memory, all events of its last cycle would be
sent twice. The fan-out script remembers a batch itself, or `remember` does when something had to follow the fan-out.
Forgetting costs repetitions, not messages.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from shared.protocol import keys
from shared.protocol.relay import CommandBatch
from shared.redis import Partitions

MAX_BATCHES: Final = 4096
"""The newest of each gateway that are remembered: half a minute under full load."""
MAX_SECONDS: Final = 3600
"""How long a gateway that is silent is remembered."""


class ProcessedBatches:
    """Keeps their ids in Redis. Every method raises RedisError."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def find(self, batches: Iterable[CommandBatch]) -> set[tuple[str, int]]:
        """(gateway, batch) of those that were processed."""
        wanted = list(batches)
        newest = await asyncio.gather(*(self._newest(batch) for batch in wanted))
        return {
            (batch.gateway_id, batch.batch_id)
            for batch, found in zip(wanted, newest, strict=True)
            if found == batch.batch_id
        }

    async def remember(self, completed: Sequence[str | int]) -> None:
        """These were processed: gateway, batch, gateway, batch …"""
        by_gateway: dict[str, dict[str, str]] = {}
        for gateway_id, batch_id in zip(completed[::2], completed[1::2], strict=True):
            by_gateway.setdefault(str(gateway_id), {})[str(int(batch_id) % MAX_BATCHES)] = str(batch_id)
        await asyncio.gather(*(self._remember(gateway_id, batches) for gateway_id, batches in by_gateway.items()))

    async def _newest(self, batch: CommandBatch) -> int | None:
        """The newest batch that was processed of those with the same number modulo `MAX_BATCHES`."""
        partition = self._partitions.of(batch.gateway_id)
        key = partition.key(keys.PROCESSED_BATCHES, batch.gateway_id)
        newest = await partition.client.hget(key, str(batch.batch_id % MAX_BATCHES))
        return None if newest is None else int(newest)

    async def _remember(self, gateway_id: str, batches: Mapping[Any, Any]) -> None:
        partition = self._partitions.of(gateway_id)
        key = partition.key(keys.PROCESSED_BATCHES, gateway_id)
        async with partition.client.pipeline(transaction=False) as pipe:
            pipe.hset(key, mapping=batches)
            pipe.expire(key, MAX_SECONDS)
            await pipe.execute()
