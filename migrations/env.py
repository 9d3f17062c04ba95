"""Runs alembic's migrations by asyncpg, in one transaction, and one migrator at a time."""

import asyncio
import os
import sys

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.postgres import connect, parse

LOCK_NOT_AVAILABLE = "55P03"
"""The SQLSTATE after `lock_timeout`."""
MIGRATION_LOCK = 7_231_964_402_118
"""Key of the advisory lock of migrators. Others wait for it, and then find nothing to do."""
LOCK_SECONDS = 5
"""How long a statement of a migration waits for a table lock.

It must be short, because later statements of others wait behind it.
"""
ATTEMPTS = 60
PAUSE_SECONDS = 2.0
"""Pause between attempts, in which other sessions can work."""


def _upgrade(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        context.run_migrations()


async def _try(engine: AsyncEngine) -> bool:
    """Migrate. False when a table was locked for too long; then nothing was changed."""
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


async def _main() -> None:
    address = parse(os.environ["CHAT_DATABASE_URL"])
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: connect(address, application_name="migrations", statement_seconds=None),
    )
    for attempt in range(1, ATTEMPTS + 1):
        if await _try(engine):
            break
        sys.stderr.write(f"attempt {attempt} of {ATTEMPTS}: a long transaction holds a table, see pg_stat_activity\n")
        await asyncio.sleep(PAUSE_SECONDS)
    else:
        raise SystemExit("The schema was not changed: end the transactions that hold its tables, and start again.")
    await engine.dispose()


asyncio.run(_main())
