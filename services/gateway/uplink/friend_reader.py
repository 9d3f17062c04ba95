"""Reads users' friends from PostgreSQL, by the function that presence provides for that."""

import asyncio
import time
from collections.abc import Mapping

import structlog

from services.gateway.registry.friends import ANSWER_SECONDS, AWAY_SECONDS, FRIENDS, arguments_of, friend_lists
from shared import postgres
from shared.postgres import Pool
from shared.protocol import relay

log = structlog.get_logger(__name__)


class FriendReader:
    """Reads friends of many users with one statement. While PostgreSQL is away, it reads none."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._away_until = 0.0

    async def read(self, versions: Mapping[str, str], most: int) -> dict[str, relay.FriendList]:
        """Return user → friends, for users with at most `most` of them. `versions`: user → the version that was read before."""
        if time.monotonic() < self._away_until:
            return {}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                rows = await self._pool.fetch(FRIENDS, *arguments_of(versions, most))
        except postgres.DATABASE_ERRORS as error:
            log.warning("friends.not_read", users=len(versions), error=repr(error))
            self._away_until = time.monotonic() + AWAY_SECONDS
            return {}
        return friend_lists(versions, {row["user_id"]: row["members"] for row in rows}, most)
