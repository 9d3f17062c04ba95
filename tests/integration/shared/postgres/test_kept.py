"""Connections that are kept between statements."""

import asyncio

import asyncpg
import pytest
from pydantic import SecretStr

from shared.postgres import KeptConnections, close_pool, open_pool
from tests.support.gateway import until

_PID = "SELECT pg_backend_pid() AS pid"


async def test_consecutive_statements_share_a_connection_and_return_it(database_url: str) -> None:
    pool = await open_pool(SecretStr(database_url), size=2, application_name="test")
    kept = KeptConnections(pool)
    pids = {(await kept.fetch(_PID))[0]["pid"] for _ in range(3)}
    assert len(pids) == 1
    assert pool.get_idle_size() == 0
    await until(lambda: pool.get_idle_size() == 1)
    await close_pool(pool)


async def test_a_statement_beside_another_goes_by_the_pool(database_url: str) -> None:
    pool = await open_pool(SecretStr(database_url), size=2, application_name="test")
    kept = KeptConnections(pool)
    rows = await asyncio.gather(kept.fetch(f"{_PID} FROM pg_sleep(0.2)"), kept.fetch(_PID))
    assert rows[0][0]["pid"] != rows[1][0]["pid"]
    await close_pool(pool)


async def test_several_statements_at_once_keep_as_many_connections(database_url: str) -> None:
    pool = await open_pool(SecretStr(database_url), size=3, application_name="test")
    kept = KeptConnections(pool, most=2)
    await asyncio.gather(*(kept.fetch(f"{_PID} FROM pg_sleep(0.2)") for _ in range(3)))
    assert (pool.get_size(), pool.get_idle_size()) == (3, 1)
    await until(lambda: pool.get_idle_size() == 3)
    assert await kept.fetch(_PID)
    await close_pool(pool)


async def test_a_connection_that_failed_or_broke_is_not_kept(database_url: str) -> None:
    pool = await open_pool(SecretStr(database_url), size=1, application_name="test")
    kept = KeptConnections(pool)
    (first,) = await kept.fetch(_PID)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await kept.fetch("SELECT 1 / 0")
    assert pool.get_idle_size() == 1
    (again,) = await kept.fetch(_PID)
    assert again["pid"] == first["pid"]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await kept.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
    (other,) = await kept.fetch(_PID)
    assert other["pid"] != first["pid"]
    await close_pool(pool)


async def test_a_connection_that_closed_while_it_was_kept_is_replaced(database_url: str) -> None:
    """No statement fails because of a server that was started again in between."""
    pool = await open_pool(SecretStr(database_url), size=2, application_name="test")
    kept = KeptConnections(pool)
    (first,) = await kept.fetch(_PID)
    await pool.fetch("SELECT pg_terminate_backend($1, 10000)", first["pid"])
    await until(lambda: pool.get_size() == 1)
    (other,) = await kept.fetch(_PID)
    assert other["pid"] != first["pid"]
    await close_pool(pool)


async def test_who_stops_waiting_leaves_the_connection_usable(database_url: str) -> None:
    pool = await open_pool(SecretStr(database_url), size=1, application_name="test")
    kept = KeptConnections(pool)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await kept.fetch("SELECT pg_sleep(60)")
    assert await kept.fetch(_PID)
    await close_pool(pool)
