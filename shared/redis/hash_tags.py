"""The hash tags of partitions: each partition's keys fall into one hash slot, and the slots lie evenly over all 16,384."""

from binascii import crc_hqx
from functools import cache
from itertools import count
from typing import Final

SLOTS: Final = 16_384
"""Of a Redis Cluster (Redis Cluster specification, «Key distribution model»)."""


def slot_of(tag: str) -> int:
    """The slot of all keys with the hash tag `tag`, given without braces: CRC-16/XMODEM modulo 16,384."""
    return crc_hqx(tag.encode(), 0) % SLOTS


@cache
def tags(partitions: int) -> tuple[str, ...]:
    """The hash tag of each partition, in braces. Those of neighbours lie 16,384 / `partitions` slots apart, more or less,
    so that a cluster whose nodes hold equal ranges of slots has about the same number of partitions on each node.
    """
    found: dict[int, str] = {}
    for number in count():
        partition = slot_of(str(number)) * partitions // SLOTS
        found.setdefault(partition, f"{{{number}}}")
        if len(found) == partitions:
            break
    return tuple(found[partition] for partition in range(partitions))
