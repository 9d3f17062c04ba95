"""One connection to PostgreSQL: the first host of the address that answers and can write."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlencode

import asyncpg
import structlog

from shared.postgres.address import Address

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STATEMENT_SECONDS: Final = 10
NEXT_HOST_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""Errors after which the next host is tried. A wrong password isn't one, because it is wrong on all hosts."""


def _leaving(method: Callable[..., Awaitable[Any]]) -> Any:
    """Wrap `method`, to abort the session when its server is read-only or doesn't answer in time."""

    @wraps(method)
    async def run(session: "Session", *args: Any, **kwargs: Any) -> Any:
        try:
            return await method(session, *args, **kwargs)
        except asyncpg.ReadOnlySQLTransactionError:
            if session.leave():
                log.warning("database.read_only", note="the server no longer writes: its connections are dropped")
            raise
        except TimeoutError:
            # asyncpg has sent the cancellation on a connection of its own, and would wait for it on this one, as long again.
            if session.leave():
                log.warning("database.silent", note="no answer in time: all connections are opened again")
            raise

    return run


class Session(asyncpg.Connection):
    """A connection that ends when it is of no more use, and takes the others of its pool along.

    Its server became read-only: after a failover, the old primary may still answer. Or a statement had no answer in time: then
    the link may be half open, and the idle connections of the pool too. Each would cost another caller the time of a statement.

    Then `on_leave` is called, and the pool opens other connections.
    """

    on_leave: Callable[[], None] | None = None

    fetch = _leaving(asyncpg.Connection.fetch)
    fetchval = _leaving(asyncpg.Connection.fetchval)
    fetchrow = _leaving(asyncpg.Connection.fetchrow)
    execute = _leaving(asyncpg.Connection.execute)
    executemany = _leaving(asyncpg.Connection.executemany)

    def leave(self) -> bool:
        """Abort the connection. Returns whether it was open."""
        was_open = not self.is_closed()
        if was_open:
            self.terminate()
        if self.on_leave is not None:
            self.on_leave()
        return was_open


async def connect(
    address: Address, *, application_name: str, statement_seconds: float | None = STATEMENT_SECONDS
) -> Session:
    """Open a session on the first host that answers in time and accepts writes. `statement_seconds`: time-out of each statement.

    That host is tried first from now on: one whose machine is off costs `address.connect_seconds` each time, which is more than
    some callers wait.

    Raises what asyncpg raises for the last host: OSError, TimeoutError, PostgresError.
    """
    errors: list[Exception] = []
    for host in tuple(address.hosts):
        try:
            session = await _connect_host(address, host, application_name, statement_seconds)
        except NEXT_HOST_ERRORS as error:
            errors.append(error)
        else:
            address.hosts.remove(host)
            address.hosts.insert(0, host)
            return cast("Session", session)
    raise errors[-1]


async def _connect_host(
    address: Address, host: tuple[str, int], application_name: str, statement_seconds: float | None
) -> Connection:
    return await asyncpg.connect(
        f"postgresql://?{urlencode(address.query)}" if address.query else None,
        host=host[0],
        port=host[1],
        database=address.database,
        timeout=address.connect_seconds,
        command_timeout=statement_seconds,
        server_settings={"application_name": application_name, "timezone": "UTC", **address.server_settings},
        connection_class=Session,
        **address.keywords,
    )
