"""A pool of connections with bounded waits."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, TypeAlias, cast

import asyncpg
from pydantic import SecretStr

from shared.postgres.address import Address, parse
from shared.postgres.errors import TRANSIENT_ERRORS
from shared.postgres.session import Connection, Session, connect

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Lent: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection from `pool.acquire()`."""

IDLE_SECONDS: Final = 300
CLOSE_SECONDS: Final = 2.0
INDEX_HINTS: Final = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan", "jit": "off"}
"""Planner settings for statements that look up a few rows by an index, whose planning costs more than running them.

PostgreSQL would plan a statement with arrays anew each time. And without these settings, a plan that was made while a table was
small would go on reading the whole table.
"""

_HINTS: Final = """
    SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS hint (name, value)
    WHERE pg_backend_pid() = $3
"""


async def open_pool(
    url: SecretStr, *, size: int, application_name: str, hints: Mapping[str, str] | None = None
) -> Pool:
    """Return a pool of at most `size` connections. Each is opened when it is needed, because the server may be away now.

    Raises AddressError for a URL that can't be used.

    `hints` are planner settings, set when a connection opens. Through a pooler they are not set, because other clients use the
    same server session. Then set them for the role (`ALTER ROLE … SET …`); only speed depends on them.

    It works with PgBouncer in transaction mode: asyncpg caches prepared statements only while a connection is open, and nothing
    depends on session state. So connections aren't reset between uses. A reset would cost a round trip after each statement, and
    undo the hints.
    """
    opener = _Opener(parse(url.get_secret_value()), application_name)
    opener.pool = await asyncpg.create_pool(
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        connect=cast(Any, opener.connect),
        connection_class=Session,
        init=None if hints is None else partial(_give_hints, hints),
        reset=_keep,
    )
    return opener.pool


class _Opener:
    """Opens a pool's sessions, and replaces all of them when one leaves its server."""

    def __init__(self, address: Address, application_name: str) -> None:
        self.pool: Pool | None = None
        self._address = address
        self._application_name = application_name
        self._expiring: set[asyncio.Task[None]] = set()

    async def connect(self, *_positional: Any, **_given: Any) -> Session:
        """Open a new session."""
        session = await connect(self._address, application_name=self._application_name)
        session.on_leave = self._expire
        return session

    def _expire(self) -> None:
        if self.pool is not None:
            task = asyncio.ensure_future(self.pool.expire_connections())
            self._expiring.add(task)
            task.add_done_callback(self._expiring.discard)


async def _keep(connection: Connection) -> None:
    """Do nothing when a connection is released: it isn't reset."""


async def _give_hints(hints: Mapping[str, str], connection: Connection) -> None:
    await connection.execute(_HINTS, list(hints), list(hints.values()), connection.get_server_pid())


async def close_pool(pool: Pool) -> None:
    """Close all connections. After 2 s they are aborted, so that a server that doesn't answer can't delay a stop."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except (TimeoutError, *TRANSIENT_ERRORS):
        pool.terminate()


async def ping(pool: Pool) -> None:
    """Make a round trip. Raises what asyncpg raises, and TimeoutError after 2 s."""
    await pool.fetchval("SELECT 1", timeout=2)
