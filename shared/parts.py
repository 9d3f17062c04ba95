"""Divides long work into parts, so that no call keeps a server busy for long."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def parts_by_weight(items: Iterable[T], weight: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Yield consecutive items together. A part ends with the item by which the weights of its items reach `most`."""
    part: list[T] = []
    total = 0
    for item in items:
        part.append(item)
        total += weight(item)
        if total >= most:
            yield part
            part, total = [], 0
    if part:
        yield part
