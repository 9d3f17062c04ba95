"""PgBouncer in transaction mode works when it keeps prepared statements, and is refused with the reason when it doesn't."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from shared import postgres
from shared.postgres.condition import POOLER
from tests.clusters.conftest import FreshFolder
from tests.support.pgbouncer import pgbouncers, pooled, version_of

FOUND = pgbouncers()
KEEPING = [program for program in FOUND if version_of(program) >= (1, 21)]
CLIENTS = 24
ROUNDS = 40


@pytest.fixture
def folder(fresh_folder: FreshFolder) -> Path:
    return fresh_folder("pgbouncer")


@pytest.mark.skipif(not FOUND, reason="no PgBouncer on this machine")
@pytest.mark.parametrize("program", FOUND, ids=lambda program: ".".join(map(str, version_of(program))))
async def test_one_that_forgets_statements_is_named(program: Path, database_url: str, folder: Path) -> None:
    async with pooled(program, database_url, folder, prepared_statements=0) as url:
        watch = postgres.DatabaseWatch(SecretStr(url), "test")
        assert (await watch.look()).fault == POOLER


@pytest.mark.skipif(not KEEPING, reason="no PgBouncer 1.21 or later: PGBOUNCERS=path names one")
@pytest.mark.parametrize("program", KEEPING, ids=lambda program: ".".join(map(str, version_of(program))))
async def test_one_that_keeps_statements_serves(program: Path, database_url: str, folder: Path) -> None:
    """More clients than connections behind it, each with several statements; and no setting of ours stays behind."""
    async with pooled(program, database_url, folder, prepared_statements=100) as url:
        assert (await postgres.DatabaseWatch(SecretStr(url), "test").look()).fault is None
        pools = [
            await postgres.open_pool(SecretStr(url), size=4, application_name=f"test-{n}", hints=postgres.INDEX_HINTS)
            for n in range(CLIENTS // 4)
        ]

        async def query(pool: postgres.Pool, number: int) -> None:
            for step in range(ROUNDS):
                assert await pool.fetchval(f"SELECT $1::int + {step % 5}", number) == number + step % 5

        await asyncio.gather(*(query(pool, n) for pool in pools for n in range(4)))
        for pool in pools:
            await pool.close()
        other = await asyncpg.connect(url)
        assert await other.fetchval("SHOW enable_seqscan") == "on"
        await other.close()
