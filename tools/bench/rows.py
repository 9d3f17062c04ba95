"""Whether a message costs more beside many stored ones: the saturated scenario with 1,000, 100,000 and 1,000,000 rows."""

from typing import Final

import asyncpg

from shared.postgres import load_sql
from tools.bench import saturated
from tools.bench.bench import Bench
from tools.bench.outcome import Outcome
from tools.bench.people import rest_of
from tools.bench.traffic import Gathering, Pair, gather_pairs

ROWS: Final = (1_000, 100_000, 1_000_000)
"""Rows in the table, for each outcome."""
QUICK_ROWS: Final = ROWS[:2]
SEED_SECONDS: Final = 300


async def run(bench: Bench, rows: int) -> Outcome:
    """Empty the tables, seed them, and chat in conversations that have half of the rows."""
    name = f"{rows // 1000}k rows"
    async with rest_of(bench.target) as rest:
        async with bench.stages.timed(f"{bench.target.name}, {name}: seeding", rows / 50_000):
            await _execute(bench, "clear")
            pairs = await gather_pairs(bench.target, rest, bench.prefix(f"rows{rows}"), saturated.PAIRS)
            await _execute(bench, "seed", rows, [pair.account.name for pair in pairs])
            await _settle(bench)
        _start_after(pairs, rows)
        return await saturated.chat(bench, Gathering.over(rest, pairs), name)


def _start_after(pairs: list[Pair], rows: int) -> None:
    """Don't count the seeded messages as messages of this run."""
    for pair in pairs:
        pair.account.base_seq = rows // 2 // len(pairs)


async def _execute(bench: Bench, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(bench.target.database_url)
    try:
        await connection.execute(load_sql("tools.bench", statement), *arguments, timeout=SEED_SECONDS)
    finally:
        await connection.close()


async def _settle(bench: Bench) -> None:
    """Vacuum, analyse, and write all pages to disk now, so that none of this is measured with the messages."""
    connection = await asyncpg.connect(bench.target.database_url)
    try:
        await connection.execute("VACUUM ANALYZE messaging.messages", timeout=SEED_SECONDS)
        await connection.execute("VACUUM ANALYZE messaging.conversations", timeout=SEED_SECONDS)
        await connection.execute("CHECKPOINT", timeout=SEED_SECONDS)
    finally:
        await connection.close()
