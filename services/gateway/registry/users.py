"""Registers users in the directory when they connect, so that others find them by name at once."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from services.gateway.registry.friends import ANSWER_SECONDS, AWAY_SECONDS, FRIENDS_BATCH, friend_lists, friends_along
from shared import postgres
from shared.auth import Principal
from shared.directory import Directory, KnownUsers
from shared.protocol import relay

log = structlog.get_logger(__name__)

WAIT_SECONDS: Final = 1.0
"""A handshake waits no longer for PostgreSQL."""
BATCH: Final = 200
MAX_WAITING: Final = 20_000
RETRY_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Waiting:
    """A user who waits to be stored. `missing_friends`: as in `RecoveryResult`. `done` gets the friends, if they were read."""

    principal: Principal
    missing_friends: str | None
    done: asyncio.Future[relay.FriendList | None]


class UserRegistration:
    """Batches users: those who connect while a statement runs go into the next one.

    `most_friends` returns how many friends of a user are of use; 0: none.
    """

    def __init__(self, directory: Directory, most_friends: Callable[[], int]) -> None:
        self._directory = directory
        self._most_friends = most_friends
        self._known = KnownUsers(directory)
        self._waiting: dict[str, _Waiting] = {}
        self._any_waiting = asyncio.Event()
        self._away_until = 0.0
        self._alone_until = 0.0

    async def register(self, principal: Principal, missing_friends: str | None = None) -> relay.FriendList | None:
        """Wait until the directory has the user, or for a second. Users can connect without PostgreSQL.

        `missing_friends`: the version of the user's friends when Redis doesn't have them. Returns the friends, if they could be
        read with the same statement.
        """
        if self._known.knows(principal):
            return None
        done = self.register_soon(principal, missing_friends)
        if time.monotonic() >= self._away_until:
            await asyncio.wait([done], timeout=WAIT_SECONDS)
        return done.result() if done.done() else None

    def register_soon(
        self, principal: Principal, missing_friends: str | None = None
    ) -> asyncio.Future[relay.FriendList | None]:
        """Register a user soon. The future is done when the directory has the user, or when too many wait already."""
        known = self._waiting.get(principal.user_id)
        if known is not None:
            known.principal = principal
            if missing_friends is not None:
                known.missing_friends = missing_friends
            return known.done
        done: asyncio.Future[relay.FriendList | None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= MAX_WAITING:
            done.set_result(None)
            return done
        self._waiting[principal.user_id] = _Waiting(principal, missing_friends, done)
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
        friends: dict[str, relay.FriendList] = {}
        try:
            friends = await self._ensure(batch)
            for waiting in batch.values():
                self._known.note(waiting.principal)
        except postgres.TRANSIENT_ERRORS as error:
            log.warning("users.not_registered", users=len(batch), error=repr(error))
            self._away_until = time.monotonic() + RETRY_SECONDS
            self._waiting = batch | self._waiting
            await asyncio.sleep(RETRY_SECONDS)
        except asyncpg.PostgresError:
            for waiting in batch.values():
                await self._store_alone(waiting.principal)
        for user_id, waiting in batch.items():
            if not waiting.done.done():
                waiting.done.set_result(friends.get(user_id))

    async def _ensure(self, batch: Mapping[str, _Waiting]) -> dict[str, relay.FriendList]:
        """Store users, and return the friends of those who need them."""
        principals, most = [waiting.principal for waiting in batch.values()], self._most_friends()
        wanted = [
            (user_id, each.missing_friends) for user_id, each in batch.items() if each.missing_friends is not None
        ]
        if most and wanted and time.monotonic() >= self._alone_until:
            versions = dict(wanted[:FRIENDS_BATCH])
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    found = await self._directory.ensure_all(principals, friends_along(versions, most))
            except TimeoutError:
                # Claims never wait for presence's tables.
                self._alone_until = time.monotonic() + AWAY_SECONDS
            else:
                return friend_lists(versions, found, most)
        await self._directory.ensure_all(principals)
        return {}

    async def _store_alone(self, principal: Principal) -> None:
        """Store users one by one: a user whose claims can't be stored must not fail the others."""
        try:
            await self._directory.ensure(principal)
        except postgres.DATABASE_ERRORS as error:
            log.error("user.refused", user_id=principal.user_id, error=repr(error))
