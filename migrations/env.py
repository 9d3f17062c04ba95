"""How alembic reaches the database: asyncpg, one transaction, one migrator at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.postgres import connect, parse

MIGRATION_LOCK = 7_231_964_402_118
"""Key of the advisory lock that lets one migrator in; the others wait, and then find nothing to do."""


def _upgrade(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def _main() -> None:
    address = parse(os.environ["CHAT_DATABASE_URL"])
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: connect(address, application_name="migrations", statement_seconds=None),
    )
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()


asyncio.run(_main())
