"""Blocks: who blocks whom, in PostgreSQL; and in Redis, for gateways, each user's peers of any block."""

from datetime import datetime
from typing import NamedTuple

from services.messaging.stores.pairs import Pair, lock, pair_of
from services.messaging.stores.sql import APPLY_BLOCK, BLOCKS, FIND_BLOCK, SET_BLOCK
from services.messaging.stores.webhook_events import block_changed
from shared.postgres import Pool
from shared.protocol import keys
from shared.redis import Partitions
from shared.webhooks import NO_WEBHOOKS, Outbox


class BlockSet(NamedTuple):
    """A block, or its end, since `at`.

    Of two about the same pair, the one with the higher `version` is later. `changed`: the command changed the state.
    """

    blocked_id: str
    active: bool
    version: int
    at: datetime
    changed: bool


class _Standing(NamedTuple):
    """The current state between two users, and when it was requested (Unix ms)."""

    issued_ms: int
    block: BlockSet


class BlockedUser(NamedTuple):
    """A blocked user, and since when."""

    user_id: str
    username: str
    at: datetime


class Blocks:
    """The blocks of all users."""

    def __init__(self, pool: Pool, partitions: Partitions, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox
        self._partitions = partitions

    async def set(self, blocker: str, blocked: str, *, active: bool, issued_ms: int = 0) -> BlockSet:
        """Block or unblock. Raises what asyncpg and redis raise.

        A repetition changes nothing, keeps the first time, and needs no transaction. The same holds for a command that was issued
        (`issued_ms`, Unix ms; 0: unknown) before the last one about this pair. Redis is updated before the commit, under the
        pair's lock, so changes of one pair reach it in the order of their commits. After a crash in between, the command is
        unanswered and is redelivered.
        """
        standing = await self._find(blocker, blocked)
        if standing is not None and (standing.block.active == active or 0 < issued_ms < standing.issued_ms):
            return standing.block
        pair = pair_of(blocker, blocked)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, pair)
            changed = await connection.fetchrow(SET_BLOCK, blocker, blocked, active, issued_ms)
            stands = await connection.fetchval(APPLY_BLOCK, pair.conversation_id, *pair)
            if changed is not None and self._outbox.enabled:
                at = changed["changed_at"]
                told = block_changed(pair.conversation_id, blocker, blocked, active=active, at=at)
                await self._outbox.write(connection, [told])
            await self._tell_gateways(pair, standing=stands)
        if changed is None:
            # Another command was quicker: its row is the current one.
            return await self.set(blocker, blocked, active=active, issued_ms=issued_ms)
        return BlockSet(blocked, active, changed["version"], changed["changed_at"], changed=True)

    async def _find(self, blocker: str, blocked: str) -> _Standing | None:
        row = await self._pool.fetchrow(FIND_BLOCK, blocker, blocked)
        if row is None:
            return None
        active, version, changed_at, issued_ms = row
        return _Standing(issued_ms, BlockSet(blocked, active, version, changed_at, changed=False))

    async def of(self, blocker: str, limit: int, after: tuple[datetime, str] | None = None) -> list[BlockedUser]:
        """Return at most `limit` of the users whom the user blocks, newest first, after the position (since when, user id)."""
        return [BlockedUser(*row) for row in await self._pool.fetch(BLOCKS, blocker, limit, *(after or (None, None)))]

    async def _tell_gateways(self, pair: Pair, *, standing: bool) -> None:
        for user_id, other_id in ((pair.low, pair.high), (pair.high, pair.low)):
            partition = self._partitions.of(user_id)
            client, key = partition.client, partition.key(keys.BLOCKED, user_id)
            await (client.sadd(key, other_id) if standing else client.srem(key, other_id))
