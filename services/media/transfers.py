"""Limits the concurrent transfers of one replica and their bytes a second; transfers over the limit are refused."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Literal
from weakref import WeakValueDictionary

from services.media import metrics
from shared.pace import Throughput
from shared.protocol.errors import ErrorCode, ProtocolError

BURST_SECONDS: Final = 0.25
"""So much of a second's bytes pass at once when nothing did before: thumbnails and small pictures never wait."""

SHARE: Final = 10
"""One user's uploads, and the downloads of one conversation, take at most one in so many places, however slow they are."""
SHARE_SECONDS: Final = 10
"""How long a transfer waits for a place of its share."""

Direction = Literal["in", "out"]


class Transfers:
    """At most `most` concurrent transfers in either direction, which share `bytes_per_second`; 0: no limit."""

    def __init__(self, most: int, bytes_per_second: int = 0) -> None:
        self._most = most
        self._throughput = Throughput(bytes_per_second, BURST_SECONDS)
        self._now = 0
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def one(self, direction: Direction, owner: str) -> AsyncIterator[None]:
        """Reserve room for one transfer while the block runs. Raises ProtocolError (unavailable) when there is none.

        `owner`: whose share it takes, a user or a conversation.
        """
        share = self._shares.setdefault(owner, asyncio.Semaphore(max(1, self._most // SHARE)))
        try:
            async with asyncio.timeout(SHARE_SECONDS):
                await share.acquire()
        except TimeoutError:
            raise ProtocolError(ErrorCode.UNAVAILABLE) from None
        try:
            with self._counted(direction):
                yield
        finally:
            share.release()

    @contextmanager
    def _counted(self, direction: Direction) -> Iterator[None]:
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
