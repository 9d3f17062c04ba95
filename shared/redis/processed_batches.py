"""Remembers which batches were processed completely (stored and announced). When redelivered, they need nothing more.

A process may die between the fan-out and the acknowledgement. Without this memory, all events of its last cycle would be sent
twice. The fan-out script records a batch itself; `remember` does when something had to follow the fan-out. If Redis loses the
records, events are repeated, but no message is lost. Gateways find here that the answers to a batch were lost on their way.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from shared.protocol import keys
from shared.redis.partitions import Partitions

MAX_BATCHES: Final = 4096
"""How many of the newest batches of each gateway are remembered: half a minute under full load."""
MAX_SECONDS: Final = 3600
"""How long the batches of a gateway that sends nothing are remembered."""


class ProcessedBatches:
    """Keeps the ids of processed batches in Redis. Every method raises RedisError."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def find(self, batches: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Return those that were processed. A batch is (gateway id, batch id)."""
        by_gateway: dict[str, list[int]] = {}
        for gateway_id, batch_id in batches:
            by_gateway.setdefault(gateway_id, []).append(batch_id)
        found = await asyncio.gather(*(self._find(gateway_id, ids) for gateway_id, ids in by_gateway.items()))
        return set().union(*found)

    async def remember(self, completed: Sequence[str | int]) -> None:
        """Record processed batches: gateway id, batch id, gateway id, batch id …"""
        by_gateway: dict[str, dict[str, str]] = {}
        for gateway_id, batch_id in zip(completed[::2], completed[1::2], strict=True):
            by_gateway.setdefault(str(gateway_id), {})[str(int(batch_id) % MAX_BATCHES)] = str(batch_id)
        await asyncio.gather(*(self._remember(gateway_id, batches) for gateway_id, batches in by_gateway.items()))

    async def _find(self, gateway_id: str, batch_ids: Sequence[int]) -> set[tuple[str, int]]:
        """Compare each id with the newest processed batch whose number is the same modulo `MAX_BATCHES`."""
        partition = self._partitions.of(gateway_id)
        fields = [str(batch_id % MAX_BATCHES) for batch_id in batch_ids]
        newest = await partition.client.hmget(partition.key(keys.PROCESSED_BATCHES, gateway_id), fields)
        return {
            (gateway_id, batch_id)
            for batch_id, found in zip(batch_ids, newest, strict=True)
            if found is not None and int(found) == batch_id
        }

    async def _remember(self, gateway_id: str, batches: Mapping[Any, Any]) -> None:
        partition = self._partitions.of(gateway_id)
        key = partition.key(keys.PROCESSED_BATCHES, gateway_id)
        async with partition.client.pipeline(transaction=False) as pipe:
            pipe.hset(key, mapping=batches)
            pipe.expire(key, MAX_SECONDS)
            await pipe.execute()
