"""Limits the concurrent transfers of one replica and their bytes a second; transfers over the limit are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from services.media import metrics
from shared.pace import Throughput
from shared.protocol.errors import ErrorCode, ProtocolError

BURST_SECONDS: Final = 0.25
"""So much of a second's bytes pass at once when nothing did before: thumbnails and small pictures never wait."""

Direction = Literal["in", "out"]


class Transfers:
    """At most `most` concurrent transfers in either direction, which share `bytes_per_second`; 0: no limit."""

    def __init__(self, most: int, bytes_per_second: int = 0) -> None:
        self._most = most
        self._throughput = Throughput(bytes_per_second, BURST_SECONDS)
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

    async def pass_on(self, size: int) -> None:
        """Wait until a chunk of `size` bytes may pass.

        Each transfer asks for one chunk at a time, so all get the same share, and none waits longer than one chunk of each takes.
        """
        await self._throughput.pass_on(size)
