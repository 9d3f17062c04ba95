"""Migrations wait only briefly for a table lock, and retry, so that others don't wait behind them for long."""

import asyncio
import os
import sys

import asyncpg


async def test_a_table_that_is_held_is_waited_for_in_short_attempts(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    migrator = None
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
            migrator = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "migrations",
                env={**os.environ, "CHAT_DATABASE_URL": database_url},
                stderr=asyncio.subprocess.PIPE,
            )
            assert migrator.stderr is not None
            async with asyncio.timeout(60):
                assert b"attempt 1 of" in await migrator.stderr.readline()
        async with asyncio.timeout(60):
            await migrator.communicate()
        assert migrator.returncode == 0
    finally:
        if migrator is not None and migrator.returncode is None:
            migrator.kill()
            await migrator.wait()
        await connection.close()
