"""Bodies of AMQP messages, none larger than its queue allows: consumers' memory is their prefetch by that size."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import Queue

T = TypeVar("T")


def bodies_of(items: Sequence[T], batch_of: Callable[[list[T]], msgspec.Struct], queue: Queue) -> list[bytes]:
    """`items` in as many batches as `queue.body_bytes` needs, in order, each encoded.

    An item that is larger by itself gets a body of its own: producers bound their items.
    """
    if not items:
        return []
    body = msgpack_encoder.encode(batch_of(list(items)))
    if len(body) <= queue.body_bytes or len(items) == 1:
        return [body]
    middle = len(items) // 2
    return bodies_of(items[:middle], batch_of, queue) + bodies_of(items[middle:], batch_of, queue)
