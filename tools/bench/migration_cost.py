"""`python -m tools.bench.migration_cost`: for how long migration 0011 locks a table of so many conversations.

Starts a stack of its own and stops it. The migration is taken back, and applied again to seeded rows, in a transaction that is
rolled back.
"""

import asyncio
import importlib
import re
import time
from typing import Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tools.bench.system import USUAL, system

SIZES: Final = (10_000, 100_000, 1_000_000)
SEED: Final = text("""
    INSERT INTO messaging.conversations (id, user_low, user_high, last_seq, version, created_at, updated_at)
    SELECT gen_random_uuid(), LEAST(one, other), GREATEST(one, other), 1, 1, at, at
    FROM (
        SELECT gen_random_uuid() AS one, gen_random_uuid() AS other, now() - number * interval '30 seconds' AS at
        FROM generate_series(1, :rows) AS number
    ) AS pairs
""")

_migration = importlib.import_module("migrations.versions.0011_conversation_settings")


def _run(connection: Connection, direction: str) -> float:
    """Seconds that one direction of the migration took."""
    began = time.perf_counter()
    with Operations.context(MigrationContext.configure(connection)):
        getattr(_migration, direction)()
    return time.perf_counter() - began


async def main() -> None:
    """Start a stack, measure, and stop it."""
    async with system(Console(stderr=True), USUAL) as target:
        assert target.database_url is not None
        url = re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", target.database_url)
        engine = create_async_engine(url, poolclass=NullPool)
        for rows in SIZES:
            async with engine.connect() as connection:
                await connection.run_sync(_run, "downgrade")
                await connection.execute(SEED, {"rows": rows})
                seconds = await connection.run_sync(_run, "upgrade")
                await connection.rollback()
            print(f"{rows:,} conversations: {seconds:.1f} s", flush=True)
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
