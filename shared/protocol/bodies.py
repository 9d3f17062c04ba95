"""Builds bodies of AMQP messages within the limit of their queue.

A consumer needs as much memory as its prefetch times that limit.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import Queue

T = TypeVar("T")


def bodies_of(items: Sequence[T], batch_of: Callable[[list[T]], msgspec.Struct], queue: Queue) -> list[bytes]:
    """Return `items`, in order, as encoded batches of at most `queue.body_bytes` each.

    A larger item gets its own body; producers limit their items.
    """
    if not items:
        return []
    body = msgpack_encoder.encode(batch_of(list(items)))
    if len(body) <= queue.body_bytes or len(items) == 1:
        return [body]
    middle = len(items) // 2
    return bodies_of(items[:middle], batch_of, queue) + bodies_of(items[middle:], batch_of, queue)
