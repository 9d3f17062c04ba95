"""Deletes what endpoints took: many in one statement."""

import asyncio
from typing import Final

import structlog

from services.webhooks.event_store import EventStore
from shared.postgres import TRANSIENT_ERRORS

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 0.5
"""Between two attempts while PostgreSQL is away."""
MOST: Final = 2000
"""Rows that one statement deletes, about."""


class Deletions:
    """Collects ids while a statement is under way; they go with the next one."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._waiting: list[tuple[list[int], asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def delete(self, ids: list[int]) -> None:
        """Delete the rows; returns when that is committed."""
        if not ids:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ids, done))
        self._arrived.set()
        await done

    async def run(self) -> None:
        """Work. Never returns."""
        while True:
            await self._arrived.wait()
            taken: list[tuple[list[int], asyncio.Future[None]]] = []
            count = 0
            while self._waiting and count < MOST:
                taken.append(self._waiting.pop(0))
                count += len(taken[-1][0])
            if not self._waiting:
                self._arrived.clear()
            ids = [each for part, _ in taken for each in part]
            await self._delete(ids)
            for _, done in taken:
                if not done.done():
                    done.set_result(None)

    async def _delete(self, ids: list[int]) -> None:
        while True:
            try:
                await self._store.delete(ids)
            except TRANSIENT_ERRORS as error:
                log.warning("deletion.held", error=repr(error), events=len(ids))
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
