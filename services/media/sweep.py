"""Deletes the objects of uploads that nobody needs: no message attached them in time, or their message or user was deleted.

The row is released first, and then its objects are deleted. So a crash in between leaves objects to delete, but never a message
without its file. A row whose objects were deleted stays for a day, because quotas count it. Then its objects are deleted once
more, in case a client was still writing some, and the row is deleted. The sweep also deletes objects that a client wrote to a
bucket by a presigned URL, and that are larger than announced.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog
from redis.exceptions import RedisError

from services.media import metrics
from services.media.storage import INCOMING, SOURCE, STORE_ERRORS, Storage, incoming, object_of
from shared.postgres import TRANSIENT_ERRORS, Pool, load_sql
from shared.uploads.signing import object_name

log = structlog.get_logger(__name__)

BATCH: Final = 100
PARTIAL_SECONDS: Final = 7200
"""A transfer may take an hour. A file that is still partial after twice that time belongs to a writer that died."""
OVERSIZED_SECONDS: Final = 60
"""How often the objects that clients write are listed in a bucket. Each request costs money."""
_OVERSIZED: Final = """
    SELECT given.id::text FROM unnest($1::uuid[], $2::bigint[]) AS given (id, size)
    JOIN media.uploads u ON u.id = given.id WHERE given.size > u.size
"""
_RELEASE: Final = load_sql("services.media", "release_orphans")
_RELEASED: Final = "SELECT id::text FROM media.uploads WHERE state = 'released' ORDER BY reserved_at LIMIT $1"
_MARK_DELETED: Final = "UPDATE media.uploads SET state = 'deleted' WHERE id = ANY ($1::uuid[]) AND state = 'released'"
_OLD: Final = """
    SELECT id::text FROM media.uploads
    WHERE state = 'deleted' AND reserved_at < now() - interval '1 day' ORDER BY reserved_at LIMIT $1
"""
_PURGE: Final = "DELETE FROM media.uploads WHERE id = ANY ($1::uuid[]) AND state = 'deleted'"
_UNTIDY: Final = """
    SELECT id::text FROM media.uploads
    WHERE state IN ('ready', 'used') AND NOT tidied AND expires_at < now() - interval '10 minutes'
    ORDER BY expires_at LIMIT $1
"""
_TIDIED: Final = "UPDATE media.uploads SET tidied = true WHERE id = ANY ($1::uuid[])"


class Sweep:
    """The sweep. It runs on every replica, which is harmless."""

    def __init__(self, pool: Pool, storage: Storage, orphan_seconds: float, period_seconds: float) -> None:
        self._pool = pool
        self.storage = storage
        self._orphan_seconds = orphan_seconds
        self._period = period_seconds
        self._oversized_at = 0.0
        self._partial_at = 0.0

    async def run(self) -> None:
        """Sweep at regular intervals. Never returns."""
        while True:
            try:
                await self.once()
            except (*TRANSIENT_ERRORS, *STORE_ERRORS, asyncpg.PostgresError, RedisError) as error:
                metrics.SWEEP_FAILURES.inc()
                log.warning("sweep.failed", error=repr(error))
            await asyncio.sleep(self._period * random.uniform(0.8, 1.2))  # noqa: S311 - spreads replicas

    async def once(self) -> int:
        """Delete everything that is due.

        Returns the number of uploads whose objects were deleted. Raises what its parts raise.
        """
        await self._pool.execute(_RELEASE, self._orphan_seconds, BATCH * 10)
        swept = 0
        while ids := await self._ids(_RELEASED):
            await self._delete(ids)
            await self._pool.execute(_MARK_DELETED, ids)
            swept += len(ids)
        while ids := await self._ids(_OLD):
            await self._delete(ids)
            await self._pool.execute(_PURGE, ids)
        while ids := await self._ids(_UNTIDY):
            # Bytes that a client sent to the bucket after `complete`, or the original bytes that a crash left.
            for upload_id in ids:
                await self.storage.delete([incoming(upload_id), object_of(object_name(upload_id, SOURCE))])
            await self._pool.execute(_TIDIED, ids)
        if self.storage.presigns and time.monotonic() >= self._oversized_at:
            self._oversized_at = time.monotonic() + OVERSIZED_SECONDS
            await self.delete_oversized()
        if time.monotonic() >= self._partial_at:
            # It walks through the folders of all uploads.
            self._partial_at = time.monotonic() + PARTIAL_SECONDS
            await self.storage.clear_partial(PARTIAL_SECONDS)
        metrics.SWEPT.inc(swept)
        return swept

    async def delete_oversized(self) -> int:
        """Delete clients' objects that are larger than announced; returns how many. Their reservations stay."""
        deleted = 0
        async for page in self.storage.pages(INCOMING):
            sizes = {stored.upload_id: stored.size for stored in page}
            rows = await self._pool.fetch(_OVERSIZED, list(sizes), list(sizes.values()))
            await self.storage.delete(incoming(row["id"]) for row in rows)
            deleted += len(rows)
        metrics.REFUSED.labels("transfer").inc(deleted)
        return deleted

    async def _ids(self, statement: str) -> Sequence[str]:
        return [row["id"] for row in await self._pool.fetch(statement, BATCH)]

    async def _delete(self, ids: Sequence[str]) -> None:
        for upload_id in ids:
            await self.storage.delete_all_of(upload_id)
