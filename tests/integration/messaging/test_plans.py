"""Plans of PostgreSQL on a new, empty database. Services keep them while the tables grow."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from services.messaging.stores import sql
from services.messaging.stores.sql import LIST_HINTS
from shared import postgres

STATEMENTS = {
    name: value
    for name, value in vars(sql).items()
    if name.isupper() and isinstance(value, str) and not name.startswith("_")
}
KEYS = {"messages_key": "key", "messages_pkey": "seq"}
"""Index of the table of messages → the column without which a look-up reads a whole conversation."""


@pytest.fixture(scope="module")
async def session(database_url: str) -> AsyncIterator[postgres.Pool]:
    """One session, with the planner's settings of messaging's."""
    pool = await postgres.open_pool(
        SecretStr(database_url), size=1, application_name="test", hints=postgres.INDEX_HINTS
    )
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
async def reading(database_url: str) -> AsyncIterator[postgres.Pool]:
    """The same for a session that REST requests use."""
    pool = await postgres.open_pool(SecretStr(database_url), size=1, application_name="test", hints=LIST_HINTS)
    yield pool
    await pool.close()


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A plan's nodes, from the top."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


async def planned(session: postgres.Pool, statement: str) -> Mapping[str, Any]:
    """The generic plan of a statement: its node at the top."""
    async with session.acquire() as connection:
        await connection.execute(f"PREPARE planned AS {statement}")
        try:
            types = await connection.fetchval(
                "SELECT parameter_types FROM pg_prepared_statements WHERE name = 'planned'"
            )
            nulls = f"({', '.join(['NULL'] * len(types))})" if types else ""
            text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{nulls}")
        finally:
            await connection.execute("DEALLOCATE planned")
    plan: Mapping[str, Any] = json.loads(text)[0]["Plan"]
    return plan


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_messages_are_looked_up_by_a_whole_key(session: postgres.Pool, name: str) -> None:
    for node in nodes(await planned(session, STATEMENTS[name])):
        if node.get("Relation Name") != "messages" or node["Node Type"] in {"ModifyTable", "Tid Scan"}:
            continue
        if node["Index Name"] == "messages_pkey" and node["Scan Direction"] == "Backward":
            continue  # from the newest one on, until one fits
        column = KEYS[node["Index Name"]]
        assert f"{column} " in node["Index Cond"], f"{node['Index Name']} by {node['Index Cond']} alone"


@pytest.mark.parametrize("name", ["HISTORY", "MESSAGES_AT", "CONVERSATION_VIEWS", "SHOWN_LIST"])
async def test_a_quoted_text_is_looked_up_among_any_number_of_edits(reading: postgres.Pool, name: str) -> None:
    found = list(nodes(await planned(reading, STATEMENTS[name])))
    (scan,) = [node for node in found if node.get("Relation Name") == "revisions"]
    assert scan["Index Name"] == "revisions_by_reply"
    assert "last_seq >= " in scan["Index Cond"]
    assert not [
        node for node in found if any(part is scan for part in node.get("Plans", ())) and "Sort" in node["Node Type"]
    ]


@pytest.mark.parametrize("name", ["CONVERSATION_VIEWS", "SHOWN_LIST"])
async def test_a_list_keeps_nothing_for_its_other_conversations(reading: postgres.Pool, name: str) -> None:
    """Each has a participant, a last message and marks of its own."""
    assert not [node for node in nodes(await planned(reading, STATEMENTS[name])) if node["Node Type"] == "Memoize"]


async def test_users_are_looked_up_by_a_range_of_names(reading: postgres.Pool) -> None:
    """A generic plan makes no range of a pattern: it would read the names of all users when few begin with the text."""
    plan = await planned(reading, sql.FIND_USERS)
    (scan,) = [node for node in nodes(plan) if node.get("Relation Name") == "users"]
    # In the order of the names, so that 20 of them are read and not all that begin so.
    assert scan["Node Type"] == "Index Scan"
    # Only users with names are in this index: ids of the same days begin alike, and would all be read for nothing.
    assert scan["Index Name"] == "users_named"
    assert "username_key >= " in scan["Index Cond"]
    assert "username_key < " in scan["Index Cond"]
