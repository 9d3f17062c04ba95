"""Which of PostgreSQL's errors are transient."""

from typing import Final

import asyncpg

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
DATABASE_ERRORS: Final = (*TRANSIENT_ERRORS, asyncpg.PostgresError)
"""Everything that a statement may raise, transient or not."""
