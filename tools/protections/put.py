"""Gives revocations and blocks to a restored database, and to a Redis that was emptied. Repeating it does no harm."""

import time
from typing import Final

from shared.auth.revocations import LOCK
from shared.postgres import Connection, connect, load_sql, parse
from shared.protocol import keys
from shared.redis import Partitions
from tools.protections.record import Record

_PUT_REVOCATIONS: Final = load_sql(__package__, "put_revocations")
_PUT_BLOCKS: Final = load_sql(__package__, "put_blocks")
_APPLY_BLOCKS: Final = load_sql(__package__, "apply_blocks")
_STANDING_BLOCKS: Final = load_sql(__package__, "standing_blocks")
_REVOCATIONS: Final = load_sql(__package__, "revocations")


async def put(database_url: str, partitions: Partitions, record: Record | None) -> tuple[int, int]:
    """How many revocations and how many blocked pairs stand now. Without a record Redis alone is filled.

    Raises what asyncpg and redis raise.
    """
    connection = await connect(parse(database_url), application_name="chatctl", statement_seconds=None)
    try:
        if record is not None:
            async with connection.transaction():
                await _store(connection, record)
        return await _fill_revocations(connection, partitions), await _fill_blocks(connection, partitions)
    finally:
        await connection.close()


async def _store(connection: Connection, record: Record) -> None:
    revocations, blocks = record.revocations, record.blocks
    await connection.execute(
        _PUT_REVOCATIONS,
        [one.user_id for one in revocations],
        [one.revoked_ms for one in revocations],
        [one.expires_ms for one in revocations],
        LOCK,
    )
    await connection.execute(
        _PUT_BLOCKS,
        [one.blocker for one in blocks],
        [one.blocked for one in blocks],
        [one.active for one in blocks],
        [one.changed_ms for one in blocks],
        [one.issued_ms for one in blocks],
    )
    await connection.execute(_APPLY_BLOCKS)


async def _fill_revocations(connection: Connection, partitions: Partitions) -> int:
    rows = await connection.fetch(_REVOCATIONS)
    now_ms = int(time.time() * 1000)
    for user_id, revoked_ms, expires_ms in rows:
        partition = partitions.of(user_id)
        left = None if expires_ms is None else max(1, expires_ms - now_ms)
        await partition.client.set(partition.key(keys.REVOKED, user_id), f"{revoked_ms / 1000:.3f}", px=left)
    return len(rows)


async def _fill_blocks(connection: Connection, partitions: Partitions) -> int:
    pairs = {frozenset(row) for row in await connection.fetch(_STANDING_BLOCKS)}
    for one, other in pairs:
        for user_id, hidden in ((one, other), (other, one)):
            partition = partitions.of(user_id)
            await partition.client.sadd(partition.key(keys.BLOCKED, user_id), hidden)
    return len(pairs)
