"""Reads revocations and blocks before a restore."""

import time
from typing import Any, Final, cast

from asyncpg import PostgresError

from shared.postgres import TRANSIENT_ERRORS, connect, load_sql, parse
from shared.protocol import keys
from shared.redis import Partitions
from tools.protections.record import Block, Record, Revocation

_REVOCATIONS: Final = load_sql(__package__, "revocations")
_BLOCKS: Final = load_sql(__package__, "blocks")
SCAN: Final = 1000


async def take(database_url: str, partitions: Partitions) -> Record:
    """What both stores know; without the database only Redis' copies of revocations. Raises RedisError."""
    copies = await _copies(partitions)
    try:
        stored, blocks = await _stored(database_url)
    except (*TRANSIENT_ERRORS, PostgresError):
        return Record(False, list(copies.values()), [])
    for user_id, copy in copies.items():
        if user_id not in stored or stored[user_id].revoked_ms < copy.revoked_ms:
            stored[user_id] = copy
    return Record(True, list(stored.values()), blocks)


async def _stored(url: str) -> tuple[dict[str, Revocation], list[Block]]:
    connection = await connect(parse(url), application_name="chatctl", statement_seconds=None)
    try:
        revocations = {row["user_id"]: Revocation(**dict(row)) for row in await connection.fetch(_REVOCATIONS)}
        return revocations, [Block(**dict(row)) for row in await connection.fetch(_BLOCKS)]
    finally:
        await connection.close()


async def _copies(partitions: Partitions) -> dict[str, Revocation]:
    found: dict[str, Revocation] = {}
    # In a cluster one client serves all partitions, and a scan goes over all nodes.
    client = cast("Any", partitions.at(0).client)
    async for key in client.scan_iter(match=f"*{keys.REVOKED}*", count=SCAN):
        user_id = key.decode().rpartition(keys.REVOKED)[2]
        since, left = await client.get(key), await client.pttl(key)
        if since is not None:
            ends = None if left < 0 else int(time.time() * 1000) + left
            found[user_id] = Revocation(user_id, round(float(since) * 1000), ends)
    return found
