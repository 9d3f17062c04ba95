"""The hash tags of partitions: each partition's keys are in one hash slot, and these slots are evenly spread over all 16,384."""

from binascii import crc_hqx
from functools import cache
from itertools import count
from typing import Final

SLOTS: Final = 16_384
"""Hash slots of a Redis Cluster (Redis Cluster specification, «Key distribution model»)."""


def slot_of(tag: str) -> int:
    """Return the slot of all keys with the hash tag `tag` (without braces): CRC-16/XMODEM modulo 16,384."""
    return crc_hqx(tag.encode(), 0) % SLOTS


@cache
def tags(partitions: int) -> tuple[str, ...]:
    """Return the hash tag of each partition, in braces.

    Neighbours are about 16,384 / `partitions` slots apart, so that nodes with equal ranges of slots have about the same number of
    partitions.
    """
    found: dict[int, str] = {}
    for number in count():
        partition = slot_of(str(number)) * partitions // SLOTS
        found.setdefault(partition, f"{{{number}}}")
        if len(found) == partitions:
            break
    return tuple(found[partition] for partition in range(partitions))
