"""Deletes accepted events, many in one statement."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.webhooks.event_store import EventStore

MOST: Final = 2000
"""About how many events one statement deletes."""


class Deletions:
    """Collects ids while a statement is under way, for the next one.

    It lives longer than the scheduler, so events that were accepted before the lease was lost are still deleted, and not
    posted again.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._waiting: list[tuple[Sequence[int], asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    def add(self, ids: Sequence[int]) -> asyncio.Future[None]:
        """Delete the events; the future is done when that is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if ids:
            self._waiting.append((ids, done))
            self._settled.clear()
            self._arrived.set()
        else:
            done.set_result(None)
        return done

    async def settled(self) -> None:
        """Return when everything that was added is deleted."""
        await self._settled.wait()

    async def run(self) -> None:
        """Delete what is added. Never returns."""
        while True:
            await self._arrived.wait()
            taken: list[tuple[Sequence[int], asyncio.Future[None]]] = []
            count = 0
            while self._waiting and count < MOST:
                taken.append(self._waiting.pop(0))
                count += len(taken[-1][0])
            if not self._waiting:
                self._arrived.clear()
            await self._store.delete([each for ids, _ in taken for each in ids])
            for _, done in taken:
                if not done.done():
                    done.set_result(None)
            if not self._waiting:
                self._settled.set()
