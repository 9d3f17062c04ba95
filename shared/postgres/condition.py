"""Checks a service's database: the revision of the schema, whether commits are durable, and whether a pooler in between works."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from pydantic import SecretStr

from shared.postgres.address import parse
from shared.postgres.errors import DATABASE_ERRORS
from shared.postgres.pool import Pool
from shared.postgres.session import Connection, connect

log = structlog.get_logger(__name__)

VERSIONS: Final = Path(__file__).parents[2] / "migrations" / "versions"
LOOK_SECONDS: Final = 30.0
FIRST_LOOK_SECONDS: Final = 1.0
POOLER_SECONDS: Final = 5.0
MIGRATE: Final = "run `python -m migrations`"
POOLER: Final = (
    "the connection pooler forgets prepared statements: use PgBouncer 1.21 or later with max_prepared_statements above 0, "
    "or a pool of sessions"
)


def code_revision() -> str | None:
    """Return the newest revision that this code knows, such as `0005`; None when the migrations aren't installed."""
    return max((file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*.py")), default=None)


@dataclass(frozen=True)
class Condition:
    """`fault`: why this service must not use the database. `note`: a hint for operators."""

    fault: str | None = None
    note: str | None = None


class DatabaseWatch:
    """Checks the database when it first answers, and then every 30 s.

    Each look opens a session of its own; with a `pool`, later ones use that, where a session costs nothing.
    """

    def __init__(self, url: SecretStr, application_name: str, pool: "Pool | None" = None) -> None:
        self._address = parse(url.get_secret_value())
        self._application_name = application_name
        self._pool = pool
        self._pooler_checked = False
        self.condition = Condition()

    async def run(self) -> None:
        """Check at regular intervals. Never returns."""
        seen = False
        while True:
            try:
                condition = await self.look()
            except DATABASE_ERRORS as error:
                log.info("database.not_checked", error=repr(error))
            else:
                seen = True
                self._keep(condition)
            await asyncio.sleep(LOOK_SECONDS if seen else FIRST_LOOK_SECONDS)

    async def look(self) -> Condition:
        """Check the database now. Raises what asyncpg raises."""
        if not self._pooler_checked:
            if await forgets_statements(self._open):
                return Condition(fault=POOLER)
            self._pooler_checked = True
        elif self._pool is not None:
            return await _condition(self._pool)
        async with _session(self._open) as connection:
            return await _condition(connection)

    async def check(self) -> None:
        """Raise RuntimeError, with a reason, when this service must not use the database."""
        if self.condition.fault is not None:
            raise RuntimeError(self.condition.fault)

    def notes(self) -> list[str]:
        """Return hints for operators."""
        return [] if self.condition.note is None else [self.condition.note]

    def _keep(self, condition: Condition) -> None:
        if condition != self.condition and (condition.fault or condition.note):
            log.warning("database.condition", fault=condition.fault, note=condition.note)
        self.condition = condition

    async def _open(self) -> Connection:
        return await connect(self._address, application_name=f"{self._application_name}-watch")


async def _condition(session: "Connection | Pool") -> Condition:
    fault, note = _schema(await _revision(session), code_revision())
    commit = await session.fetchval("SELECT current_setting('synchronous_commit')", timeout=POOLER_SECONDS)
    notes = [
        note,
        None if commit != "off" else "synchronous_commit is off: what is acknowledged may be lost in a crash",
    ]
    return Condition(fault, "; ".join(each for each in notes if each) or None)


def _schema(found: str | None, known: str | None) -> tuple[str | None, str | None]:
    """Return (fault, note). Older code works with a newer schema, so replicas can be upgraded one by one."""
    if known is None or found == known:
        return None, None
    if found is None:
        return f"the database has no schema: {MIGRATE}", None
    if found.isdecimal() and found > known:
        return None, f"the schema is of revision {found}, newer than this replica's {known}"
    return f"the schema is of revision {found}, this replica needs {known}: {MIGRATE}", None


async def _revision(connection: "Connection | Pool") -> str | None:
    try:
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version", timeout=POOLER_SECONDS)
    except asyncpg.UndefinedTableError:
        return None
    return found


async def forgets_statements(open_session: Callable[[], Awaitable[Connection]]) -> bool:
    """Return whether a pooler loses prepared statements, as PgBouncer before 1.21 does in transaction mode.

    One session prepares a statement. Then a second session keeps that server connection busy with a transaction, so that the
    first must run its statement on another connection. Raises what asyncpg raises.
    """
    async with _session(open_session) as first, _session(open_session) as second:
        try:
            statement = await first.prepare("SELECT 1", timeout=POOLER_SECONDS)
            # Until the statement has run, the session keeps the server connection on which it was prepared.
            await statement.fetchval(timeout=POOLER_SECONDS)
            async with second.transaction():
                await second.execute("SELECT 1", timeout=POOLER_SECONDS)
                await statement.fetchval(timeout=POOLER_SECONDS)
        except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
            return True
        except TimeoutError:
            # The pooler has only one connection, and it may be busy: the result is unknown, so nothing is refused.
            return False
    return False


@asynccontextmanager
async def _session(open_session: Callable[[], Awaitable[Connection]]) -> AsyncIterator[Connection]:
    """Open a session, and close it whatever happens meanwhile."""
    connection = await open_session()
    try:
        yield connection
    finally:
        try:
            await connection.close(timeout=1)
        except DATABASE_ERRORS:
            connection.terminate()
