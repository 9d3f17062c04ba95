"""Registers users in the directory when they connect, so that others find them by name at once."""

import asyncio
import time
from typing import Final

import asyncpg
import structlog

from shared import postgres
from shared.auth import Principal
from shared.directory import Directory, KnownUsers

log = structlog.get_logger(__name__)

WAIT_SECONDS: Final = 1.0
"""A handshake waits no longer for PostgreSQL."""
BATCH: Final = 200
MAX_WAITING: Final = 20_000
RETRY_SECONDS: Final = 2.0


class UserRegistration:
    """Batches users: those who connect while a statement runs go into the next one."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known = KnownUsers(directory)
        self._waiting: dict[str, tuple[Principal, asyncio.Future[None]]] = {}
        self._any_waiting = asyncio.Event()
        self._away_until = 0.0

    async def register(self, principal: Principal) -> None:
        """Wait until the directory has the user, or for a second. Users can connect without PostgreSQL."""
        if self._known.knows(principal):
            return
        done = self.register_soon(principal)
        if time.monotonic() >= self._away_until:
            await asyncio.wait([done], timeout=WAIT_SECONDS)

    def register_soon(self, principal: Principal) -> asyncio.Future[None]:
        """Register a user soon. The future is done when the directory has the user, or when too many wait already."""
        known = self._waiting.get(principal.user_id)
        done = asyncio.get_running_loop().create_future() if known is None else known[1]
        if known is None and len(self._waiting) >= MAX_WAITING:
            done.set_result(None)
            return done
        self._waiting[principal.user_id] = (principal, done)
        self._any_waiting.set()
        return done

    async def run(self) -> None:
        """Store the waiting users. Never returns."""
        while True:
            await self._any_waiting.wait()
            self._any_waiting.clear()
            while self._waiting:
                await self._store()

    async def _store(self) -> None:
        batch = {user_id: self._waiting.pop(user_id) for user_id in list(self._waiting)[:BATCH]}
        try:
            await self._directory.ensure_all(principal for principal, _ in batch.values())
            for principal, _ in batch.values():
                self._known.note(principal)
        except postgres.TRANSIENT_ERRORS as error:
            log.warning("users.not_registered", users=len(batch), error=repr(error))
            self._away_until = time.monotonic() + RETRY_SECONDS
            self._waiting = batch | self._waiting
            await asyncio.sleep(RETRY_SECONDS)
        except asyncpg.PostgresError:
            for principal, _ in batch.values():
                await self._store_alone(principal)
        for _, done in batch.values():
            if not done.done():
                done.set_result(None)

    async def _store_alone(self, principal: Principal) -> None:
        """Store users one by one: a user whose claims can't be stored must not fail the others."""
        try:
            await self._directory.ensure(principal)
        except (*postgres.TRANSIENT_ERRORS, asyncpg.PostgresError) as error:
            log.error("user.refused", user_id=principal.user_id, error=repr(error))
