"""One migration, for tests and measurements: undone and applied again in a transaction that is rolled back."""

import importlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool


class MigrationStep:
    """The migration `migrations/versions/<name>.py`, on a database that has it."""

    def __init__(self, name: str) -> None:
        self._module = importlib.import_module(f"migrations.versions.{name}")

    def upgrade(self, connection: Connection) -> None:
        """Apply it. Raises what the migration raises."""
        with Operations.context(MigrationContext.configure(connection)):
            self._module.upgrade()

    def downgrade(self, connection: Connection) -> None:
        """Undo it. Raises what the migration raises."""
        with Operations.context(MigrationContext.configure(connection)):
            self._module.downgrade()

    @asynccontextmanager
    async def taken_back(self, database_url: str) -> AsyncIterator[AsyncConnection]:
        """Give a transaction in which it is undone, and which is rolled back at the end."""
        url = re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", database_url)
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(self.downgrade)
            yield connection
            await connection.rollback()
        await engine.dispose()
