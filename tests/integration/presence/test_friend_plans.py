"""The plan that finds friends doesn't depend on PostgreSQL's statistics."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from shared.postgres import Pool, load_sql

FRIENDS = 1_000
STATEMENTS = {"friends": "ARRAY['{user}'::uuid], 5000", "friends_page": "'{user}'::uuid, NULL, 5000"}
READ_AGAIN = 10


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a plan's nodes."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def removed(plan: Mapping[str, Any]) -> Iterator[float]:
    """How many rows each node of a plan has read in vain."""
    for name in ("Rows Removed by Join Filter", "Rows Removed by Filter"):
        yield plan.get(name, 0) * plan["Actual Loops"]
    for part in plan.get("Plans", []):
        yield from removed(part)


async def test_friends_are_not_planned_anew_for_each_connection(pool: Pool) -> None:
    """Planning takes six times as long as the statement itself."""
    statement = load_sql("services.gateway.registry", "friends")
    async with pool.acquire() as connection:
        for _ in range(READ_AGAIN):
            await connection.fetch(statement, [str(uuid.uuid4())], 500)
        plans = await connection.fetchrow(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", statement
        )
    assert tuple(plans or ()) == (READ_AGAIN, 0)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statistics_of_a_small_table_make_no_search_of_all_pairs(pool: Pool, name: str) -> None:
    user, friends = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(FRIENDS)]
    follow = (
        "INSERT INTO presence.follows (follower, followee)"
        " SELECT $1::uuid, f FROM unnest($2::uuid[]) f UNION ALL SELECT f, $1::uuid FROM unnest($2::uuid[]) f"
    )
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("DELETE FROM presence.follows")
            for _ in range(20):
                await connection.execute(follow, str(uuid.uuid4()), [str(uuid.uuid4())])
            await connection.execute("ANALYZE presence.follows")
            await connection.execute(follow, user, friends)
            statement = load_sql("services.presence", name)
            await connection.execute(f"PREPARE planned AS {statement}")
            arguments = STATEMENTS[name].format(user=user)
            text = await connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE planned({arguments})")
            await connection.execute("DEALLOCATE planned")
        finally:
            await transaction.rollback()
    plan = json.loads(text)[0]["Plan"]
    assert "Function Scan" not in {
        node["Node Type"] for node in nodes(plan) if node.get("Function Name") == "friends_of"
    }
    assert plan["Actual Rows"] == FRIENDS
    assert sum(removed(plan)) < 10 * FRIENDS
