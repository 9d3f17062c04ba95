"""Sessions end up on a server that accepts writes, whichever the URL names, and after each change of roles."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from pydantic import SecretStr

from shared import postgres
from shared.postgres import Connection, connect, parse
from shared.postgres.condition import DatabaseWatch, code_revision, forgets_statements
from shared.postgres.session import STATEMENT_SECONDS
from shared.retry import is_transient
from tests.faults.proxy import Proxy
from tests.support.backends import execute, run
from tools.stack.ports import free_port

ROOT = Path(__file__).parents[4]
SECONDS = 20


def with_hosts(url: str, hosts: str, query: str = "") -> str:
    """`url` with other hosts; `{}` in `hosts` is its own."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account}@{hosts.format(host)}", query=query))


@asynccontextmanager
async def pool_of(url: str, size: int = 4) -> AsyncIterator[postgres.Pool]:
    pool = await postgres.open_pool(SecretStr(url), size=size, application_name="test")
    try:
        yield pool
    finally:
        pool.terminate()


async def test_hosts_that_do_not_answer_are_passed_over(database_url: str) -> None:
    url = with_hosts(database_url, "127.0.0.1:1,{},127.0.0.1:2", "target_session_attrs=read-write&connect_timeout=2")
    async with pool_of(url) as pool:
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_host_that_does_not_answer_is_asked_last_from_then_on(database_url: str) -> None:
    """As a primary whose machine is off: each new session would wait for it, longer than many callers do."""
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        while await reader.read(1024):
            pass
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        address = parse(with_hosts(database_url, f"127.0.0.1:{port},{{}}", "connect_timeout=1"))
        await (await connect(address, application_name="test")).close()
        first = asked
        assert first > 0
        for _ in range(3):
            await (await connect(address, application_name="test")).close()
        assert asked == first


async def test_settings_of_the_url_hold(database_url: str) -> None:
    query = "application_name=mine&sslmode=prefer&options=-c%20lock_timeout%3D7s"
    async with pool_of(with_hosts(database_url, "{}", query)) as pool:
        shown = await pool.fetchrow("SELECT current_setting('application_name'), current_setting('lock_timeout')")
    assert tuple(shown or ()) == ("mine", "7s")


async def test_a_certificate_is_demanded_where_the_url_says_so(database_url: str) -> None:
    url = with_hosts(database_url, "{}", "sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt")
    async with pool_of(url) as pool:
        with pytest.raises((OSError, asyncpg.PostgresError), match=r"SSL|rejected"):
            await pool.fetchval("SELECT 1")


async def test_the_migrations_take_the_same_urls(database_url: str) -> None:
    url = with_hosts(
        database_url, "127.0.0.1:1,{}", "connect_timeout=2&application_name=mine&target_session_attrs=primary"
    )
    await run(
        (sys.executable, "-m", "migrations"), {"CHAT_DATABASE_URL": url, "PATH": "/usr/bin", "PYTHONPATH": str(ROOT)}
    )


async def test_the_migrations_say_what_is_wrong_with_a_url() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "migrations",
        env={"CHAT_DATABASE_URL": "postgresql://a:secret@b/c?sslmod=require", "PATH": "/usr/bin"},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode != 0
    assert b"unknown parameter sslmod" in said
    assert b"secret" not in said


async def test_half_open_sessions_are_replaced_after_one_statement(database_url: str) -> None:
    """They look alive, and each would let a caller wait for the time-out of a statement, and as long again for its end."""
    proxy = Proxy.to(database_url)
    await proxy.start(free_port())
    try:
        async with pool_of(proxy.url(database_url)) as pool:
            await asyncio.gather(*(pool.execute("SELECT pg_sleep(0.05)") for _ in range(4)))
            proxy.strand()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5 * STATEMENT_SECONDS):
                    await pool.fetchval("SELECT 1")
            await asyncio.sleep(0)  # The pool is told in the next turn of the loop.
            for _ in range(4):
                assert await pool.fetchval("SELECT 1") == 1
    finally:
        await proxy.stop()


async def test_sessions_that_can_no_longer_write_are_replaced(database_url: str) -> None:
    """As after a failover behind one address: open sessions stay with a server that became read-only."""
    name = urlsplit(database_url).path[1:]
    async with pool_of(database_url) as pool:
        await asyncio.gather(*(pool.execute("SELECT pg_sleep(0.05)") for _ in range(4)))
        for session in [await pool.acquire() for _ in range(4)]:
            await session.execute("SET default_transaction_read_only = on")
            await pool.release(session)
        statement = "UPDATE directory.users SET username = username"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute(statement)
        await asyncio.sleep(0)  # The pool is told in the next turn of the loop.
        for _ in range(8):
            await pool.execute(statement)
    async with pool_of(database_url) as pool:
        await execute(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            with pytest.raises(Exception, match="target") as refused:
                await pool.execute(statement)
            assert is_transient(refused.value)
        finally:
            query = "options=-c%20default_transaction_read_only%3Doff"
            await execute(with_hosts(database_url, "{}", query), f'ALTER DATABASE "{name}" RESET ALL')
        await pool.execute(statement)


async def test_the_newest_schema_has_no_fault(database_url: str) -> None:
    condition = await DatabaseWatch(SecretStr(database_url), "test").look()
    assert (condition.fault, condition.note) == (None, None)


@pytest.mark.parametrize(
    ("revision", "fault", "note"),
    [("0001", "is of revision 0001", None), ("other", "is of revision other", None), ("9999", None, "newer than")],
)
async def test_a_schema_of_another_revision_is_named(
    database_url: str, revision: str, fault: str | None, note: str | None
) -> None:
    await execute(database_url, f"UPDATE alembic_version SET version_num = '{revision}'")
    try:
        condition = await DatabaseWatch(SecretStr(database_url), "test").look()
    finally:
        await execute(database_url, f"UPDATE alembic_version SET version_num = '{code_revision()}'")
    assert (fault or "") in (condition.fault or "")
    assert (note or "") in (condition.note or "")
    assert (fault is None, note is None) == (condition.fault is None, condition.note is None)


async def test_later_looks_open_no_session_and_see_what_has_changed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool_of(database_url) as pool:
        watch = DatabaseWatch(SecretStr(database_url), "test", pool)
        assert (await watch.look()).note is None
        monkeypatch.setattr(watch, "_open", None)
        await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
        try:
            assert "newer than" in ((await watch.look()).note or "")
        finally:
            await execute(database_url, f"UPDATE alembic_version SET version_num = '{code_revision()}'")
        assert (await watch.look()).note is None


async def test_commits_that_may_be_lost_are_named(database_url: str) -> None:
    url = with_hosts(database_url, "{}", "options=-c%20synchronous_commit%3Doff")
    condition = await DatabaseWatch(SecretStr(url), "test").look()
    assert condition.fault is None
    assert "synchronous_commit is off" in (condition.note or "")


async def test_a_look_that_is_cancelled_leaves_no_session(database_url: str) -> None:
    opened: list[Connection] = []
    second = asyncio.Event()

    async def open_session() -> Connection:
        if opened:
            second.set()
            await asyncio.Event().wait()
        opened.append(await connect(parse(database_url), application_name="test"))
        return opened[0]

    looking = asyncio.create_task(forgets_statements(open_session))
    await second.wait()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert opened[0].is_closed()


async def test_a_database_without_a_schema_is_named(database_url: str) -> None:
    empty = f"empty_{id(database_url)}"
    await execute(database_url, f"CREATE DATABASE {empty}")
    url = urlunsplit(urlsplit(database_url)._replace(path=f"/{empty}"))
    try:
        watch = DatabaseWatch(SecretStr(url), "test")
        watch.condition = await watch.look()
        with pytest.raises(RuntimeError, match="python -m migrations"):
            await watch.check()
    finally:
        await execute(database_url, f"DROP DATABASE {empty} WITH (FORCE)")


async def test_a_pool_is_closed_in_time_whatever_its_connections_wait_for(database_url: str) -> None:
    pool = await postgres.open_pool(SecretStr(database_url), size=1, application_name="test")
    lent = await pool.acquire()
    waiting = asyncio.create_task(lent.execute("SELECT pg_sleep(600)", timeout=600))
    async with asyncio.timeout(SECONDS):
        await postgres.close_pool(pool)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await waiting
