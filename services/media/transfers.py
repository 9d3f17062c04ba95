"""Limits the concurrent transfers of one replica; more are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from services.media import metrics
from shared.protocol.errors import ErrorCode, ProtocolError

Direction = Literal["in", "out"]


class Transfers:
    """At most `most` concurrent transfers, in either direction."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now = 0

    @contextmanager
    def one(self, direction: Direction) -> Iterator[None]:
        """Reserve room for one transfer while the block runs. Raises ProtocolError (unavailable) when there is none."""
        if self._now >= self._most:
            raise ProtocolError(ErrorCode.UNAVAILABLE)
        self._now += 1
        metrics.TRANSFERS.labels(direction).inc()
        try:
            yield
        finally:
            self._now -= 1
            metrics.TRANSFERS.labels(direction).dec()
