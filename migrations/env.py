"""How alembic reaches the database: asyncpg, one transaction, one migrator at a time."""

import asyncio
import os
import re

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

MIGRATION_LOCK = 7_231_964_402_118
"""Key of the advisory lock that lets one migrator in; the others wait, and then find nothing to do."""


def _upgrade(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def _main() -> None:
    url = re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", os.environ["CHAT_DATABASE_URL"])
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()


asyncio.run(_main())
