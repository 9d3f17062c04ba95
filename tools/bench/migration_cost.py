"""`python -m tools.bench.migration_cost`: measures how long migration 0011 locks tables of several sizes.

It starts a stack of its own, and stops it. In a transaction that is rolled back, it reverts the migration, and applies it again
with seeded rows.
"""

import asyncio
import time
from typing import Final

from rich.console import Console
from sqlalchemy import text

from tools.bench.system import USUAL, system
from tools.migration_step import MigrationStep

SIZES: Final = (10_000, 100_000, 1_000_000)
SEED: Final = text("""
    INSERT INTO messaging.conversations (id, user_low, user_high, last_seq, version, created_at, updated_at)
    SELECT gen_random_uuid(), LEAST(one, other), GREATEST(one, other), 1, 1, at, at
    FROM (
        SELECT gen_random_uuid() AS one, gen_random_uuid() AS other, now() - number * interval '30 seconds' AS at
        FROM generate_series(1, :rows) AS number
    ) AS pairs
""")

STEP: Final = MigrationStep("0011_conversation_settings")


async def main() -> None:
    """Start a stack, measure, and stop it."""
    async with system(Console(stderr=True), USUAL) as target:
        assert target.database_url is not None
        for rows in SIZES:
            async with STEP.taken_back(target.database_url) as connection:
                await connection.execute(SEED, {"rows": rows})
                began = time.perf_counter()
                await connection.run_sync(STEP.upgrade)
                seconds = time.perf_counter() - began
            print(f"{rows:,} conversations: {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
