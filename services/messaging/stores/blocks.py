"""Blocks: who blocks whom, in PostgreSQL; and a copy for gateways, in Redis, of who is on the other side of any block."""

from datetime import datetime
from typing import NamedTuple

from services.messaging.stores.pairs import Pair, lock, pair_of
from services.messaging.stores.sql import APPLY_BLOCK, BLOCKS, SET_BLOCK
from shared.postgres import Pool
from shared.protocol import keys
from shared.redis import Shards


class BlockSet(NamedTuple):
    """A block, or its end, since `at`. Of two about the same pair the higher `version` is the later one."""

    blocked_id: str
    active: bool
    version: int
    at: datetime


class Blocks:
    """The blocks of all users."""

    def __init__(self, pool: Pool, shards: Shards) -> None:
        self._pool = pool
        self._shards = shards

    async def set(self, blocker: str, blocked: str, *, active: bool) -> BlockSet:
        """Block or unblock; repeating it keeps the first time. Raises what asyncpg and redis raise.

        Redis is told before the commit, under the pair's lock: changes of one pair reach it in the order of their commits.
        A crash in between leaves the command unanswered, and it comes again.
        """
        pair = pair_of(blocker, blocked)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, pair)
            ((version, at),) = await connection.fetch(SET_BLOCK, blocker, blocked, active)
            standing = await connection.fetchval(APPLY_BLOCK, pair.conversation_id, *pair)
            await self._tell_gateways(pair, standing=standing)
        return BlockSet(blocked, active, version, at)

    async def of(self, blocker: str, limit: int, skip: int = 0) -> list[tuple[str, datetime]]:
        """(username, since) of at most `limit` of those whom the user blocks, newest first."""
        return [(username, at) for username, at in await self._pool.fetch(BLOCKS, blocker, limit, skip)]

    async def _tell_gateways(self, pair: Pair, *, standing: bool) -> None:
        for user_id, other_id in ((pair.low, pair.high), (pair.high, pair.low)):
            shard = self._shards.of(user_id)
            client, key = shard.client, shard.key(keys.BLOCKED, user_id)
            await (client.sadd(key, other_id) if standing else client.srem(key, other_id))
