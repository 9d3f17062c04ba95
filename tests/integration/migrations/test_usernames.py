"""The migration of usernames: it fills the keys, and reports users whose names would become equal."""

import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tools.migration_step import MigrationStep

STEP = MigrationStep("0007_usernames")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction in which the migration was taken back; it is rolled back at the end."""
    async with STEP.taken_back(database_url) as opened:
        yield opened


async def insert(connection: AsyncConnection, username: str) -> str:
    user_id = str(uuid.uuid4())
    await connection.execute(
        text("INSERT INTO directory.users (id, username, display_name) VALUES (:id, :name, 'Somebody')"),
        {"id": user_id, "name": username},
    )
    return user_id


async def test_every_user_gets_its_key(connection: AsyncConnection) -> None:
    ids = {name: await insert(connection, name) for name in ("Alice", "straße", "bob")}
    await connection.run_sync(STEP.upgrade)
    rows = (await connection.execute(text("SELECT id, username_key FROM directory.users"))).all()
    keys = {str(row[0]): row[1] for row in rows}
    assert {name: keys[user_id] for name, user_id in ids.items()} == {
        "Alice": "alice",
        "straße": "strasse",
        "bob": "bob",
    }


async def test_users_whose_names_would_become_one_are_reported(connection: AsyncConnection) -> None:
    one, other, third = [await insert(connection, name) for name in ("Alice", "ALICE", "carol")]
    with pytest.raises(RuntimeError) as report:
        await connection.run_sync(STEP.upgrade)
    assert f"'Alice' ({one})" in str(report.value)
    assert f"'ALICE' ({other})" in str(report.value)
    assert third not in str(report.value)
    assert "UPDATE directory.users SET username" in str(report.value)
