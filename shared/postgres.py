"""PostgreSQL: a pool with bounded waits, and statements from `.sql` files."""

from importlib.resources import files
from typing import Final, TypeAlias

import asyncpg
from pydantic import SecretStr

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 10

TRANSIENT_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)
"""Errors after which the same statement may succeed: the server is away, restarting, full, or failing over."""


def load_sql(package: str, name: str) -> str:
    """The text of `<package>/sql/<name>.sql`."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


async def open_pool(url: SecretStr, *, size: int, application_name: str) -> Pool:
    """A pool of at most `size` connections, each opened when it is first needed: the server may be away now.

    Works behind PgBouncer in transaction mode: prepared statements are cached by asyncpg only as long as a connection
    lives, and nothing depends on session state.
    """
    return await asyncpg.create_pool(
        url.get_secret_value(),
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        max_inactive_connection_lifetime=300,
        server_settings={"application_name": application_name, "timezone": "UTC"},
    )


async def ping(pool: Pool) -> None:
    """A round trip. Raises what asyncpg raises, TimeoutError after 2 s."""
    await pool.fetchval("SELECT 1", timeout=2)
