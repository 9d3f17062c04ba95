"""Deletes expired messages in PostgreSQL: walks over all conversations, and deletes in bounded batches.

One row stores how far the walk has come. A replica locks it for one batch, so replicas share the work. What must change in Redis
is committed with the batch; if this replica dies, the next one applies it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from services.messaging.stores.sql import CLAIM_RETENTION, EXPIRE, KEEP_RETENTION, NEXT_EXPIRED
from shared.postgres import Pool
from shared.protocol import limits
from shared.protocol.codec import instant, json_encoder
from shared.uploads import claims
from shared.webhooks import Outbox

FIRST: Final = "00000000-0000-0000-0000-000000000000"
LOOKED_AT: Final = 1000
"""Conversations that one step reads."""
BATCH: Final = 200
"""Messages that one transaction deletes. Appends to the conversation wait for it."""
MORE_EVENTS: Final = 128
"""An inbox may exceed its number of events by what one node of the stream holds."""
MOST_EVENTS: Final = 16_384
"""More events don't fit into an inbox that is limited only by its bytes."""
_LOCK: Final = "SELECT FROM messaging.conversations WHERE id = $1::uuid FOR NO KEY UPDATE"


class Expired(msgspec.Struct, frozen=True):
    """A deleted batch: the messages from `first` to `last`.

    `unread`: the new counts of participants whose unread count fell. `last_message`: the id of the conversation's last
    message, if it was deleted. `recent`: seqs that inboxes may still show, whenever they were sent.
    """

    conversation_id: str
    first: int
    last: int
    user_ids: tuple[str, str]
    unread: dict[str, int]
    version: int
    last_message: str | None
    recent: list[int]
    at: str


class Step(msgspec.Struct, frozen=True):
    """The result of a step. `expired`: the batch to remove from Redis, before `settle`. `ended`: the round is complete."""

    expired: Expired | None
    ended: bool = False


class Expiry:
    """Deletes messages that are older than `days`. Every method raises what asyncpg raises, and may be repeated.

    `inbox_events`: how many events an inbox keeps.
    """

    def __init__(
        self, pool: Pool, days: float, round_seconds: float, outbox: Outbox, inbox_events: int = limits.INBOX_EVENTS
    ) -> None:
        self._pool = pool
        self._age = timedelta(days=days)
        self._round_seconds = round_seconds
        self._outbox = outbox
        self._inbox_events = min(inbox_events + MORE_EVENTS, MOST_EVENTS)

    async def step(self) -> Step | None:
        """Delete the next batch, if the next conversations have one. None: another replica works on it, or no round is due."""
        async with self._pool.acquire() as connection, connection.transaction():
            state = await connection.fetchrow(CLAIM_RETENTION)
            if state is None:
                return None
            if state["pending"] is not None:
                return Step(msgspec.json.decode(state["pending"], type=Expired))
            cutoff = datetime.now(UTC) - self._age
            found = await connection.fetchrow(NEXT_EXPIRED, state["after"], cutoff, LOOKED_AT)
            assert found is not None
            if found["expired"] is not None:
                expired = await self._expire(connection, found["expired"], cutoff)
                pending = None if expired is None else json_encoder.encode(expired).decode()
                more = expired is not None and expired.last - expired.first + 1 == BATCH
                # After a full batch there may be more: the same conversation is read again.
                await connection.execute(KEEP_RETENTION, state["after"] if more else found["expired"], pending, 0.0)
                return Step(expired)
            if found["is_full"]:
                await connection.execute(KEEP_RETENTION, found["last"], None, 0.0)
                return Step(None)
            await connection.execute(KEEP_RETENTION, FIRST, None, self._round_seconds)
            return Step(None, ended=True)

    async def settle(self, expired: Expired) -> None:
        """Record that Redis has been updated for this batch."""
        await self._pool.execute(
            "UPDATE messaging.retention SET pending = NULL WHERE pending->>'at' = $1 AND pending->>'conversation_id' = $2",
            expired.at,
            expired.conversation_id,
        )

    async def _expire(
        self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", conversation_id: str, cutoff: datetime
    ) -> Expired | None:
        await connection.execute(_LOCK, conversation_id)
        row = await connection.fetchrow(EXPIRE, conversation_id, cutoff, BATCH, self._inbox_events)
        if row is None:
            return None
        places = [(conversation_id, seq) for seq in range(row["first"], row["last"] + 1)]
        await claims.release(connection, places)
        await self._outbox.scrub(connection, places)
        changed = {"user_low": row["changed_low"], "user_high": row["changed_high"]}
        return Expired(
            conversation_id,
            row["first"],
            row["last"],
            (row["user_low"], row["user_high"]),
            {row[side]: row[side.replace("user", "unread")] for side, falls in changed.items() if falls},
            row["version"],
            row["last_message"],
            row["shown"],
            instant(datetime.now(UTC)),
        )
