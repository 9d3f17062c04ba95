"""PostgreSQL: a pool with bounded waits, and statements from `.sql` files."""

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Final, TypeAlias

import asyncpg
from pydantic import SecretStr

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Lent: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection that a pool has lent: what `pool.acquire()` gives."""

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
    asyncpg.InternalClientError,  # «got result for unknown protocol state» when a session is terminated
)
"""Errors after which the same statement may succeed: the server is away, restarting, full, or failing over."""


def load_sql(package: str, name: str) -> str:
    """The text of `<package>/sql/<name>.sql`."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


async def open_pool(
    url: SecretStr, *, size: int, application_name: str, hints: Mapping[str, str] | None = None
) -> Pool:
    """A pool of at most `size` connections, each opened when it is first needed: the server may be away now.

    `hints` are settings of the planner, made when a connection opens. Behind PgBouncer in transaction mode they may reach
    other clients' statements and miss some of ours, so nothing but speed may depend on them.

    Works behind PgBouncer in transaction mode: prepared statements are cached by asyncpg only as long as a connection
    lives, and nothing depends on session state. So connections aren't reset between uses, which would take a round trip
    after each statement, and the hints with it.
    """
    return await asyncpg.create_pool(
        url.get_secret_value(),
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        max_inactive_connection_lifetime=300,
        server_settings={"application_name": application_name, "timezone": "UTC"},
        init=None if hints is None else partial(_give_hints, hints),
        reset=_keep,
    )


async def _keep(connection: "Connection") -> None:
    """Leave a connection as it is."""


async def _give_hints(hints: Mapping[str, str], connection: "Connection") -> None:
    for name, value in hints.items():
        await connection.execute("SELECT set_config($1, $2, false)", name, value)


async def ping(pool: Pool) -> None:
    """A round trip. Raises what asyncpg raises, TimeoutError after 2 s."""
    await pool.fetchval("SELECT 1", timeout=2)
