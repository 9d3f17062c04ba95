"""The migration of conversations' settings: existing rows get defaults, and replicas of the previous release can still write."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tools.migration_step import MigrationStep

STEP = MigrationStep("0011_conversation_settings")

AT = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
INSERT = text("""
    INSERT INTO messaging.conversations (id, user_low, user_high, last_seq, version, unread_high, created_at, updated_at)
    VALUES (:id, :low, :high, 1, 1, 1, :at, :at)
""")
"""As replicas of the release before insert, which know no settings."""
SETTINGS = text("""
    SELECT place_low, place_high, active_slot, archived_low, hidden_high, cleared_low, unread_high
    FROM messaging.conversations WHERE id = :id
""")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    """A transaction in which the migration was taken back; it is rolled back at the end."""
    async with STEP.taken_back(database_url) as opened:
        yield opened


async def insert(connection: AsyncConnection) -> str:
    low, high = sorted(str(uuid.uuid4()) for _ in range(2))
    conversation_id = str(uuid.uuid4())
    await connection.execute(INSERT, {"id": conversation_id, "low": low, "high": high, "at": AT})
    return conversation_id


async def test_standing_conversations_are_listed_as_before(connection: AsyncConnection) -> None:
    before = await insert(connection)
    await connection.run_sync(STEP.upgrade)
    row = (await connection.execute(SETTINGS, {"id": before})).one()
    assert tuple(row) == (4, 4, datetime(2026, 3, 1, 12, 30), False, False, 0, 1)


async def test_the_release_before_can_still_write(connection: AsyncConnection) -> None:
    await connection.run_sync(STEP.upgrade)
    after = await insert(connection)
    append = "UPDATE messaging.conversations SET last_seq = 2, unread_high = 2, updated_at = :at WHERE id = :id"
    await connection.execute(text(append), {"id": after, "at": AT.replace(hour=13)})
    row = (await connection.execute(SETTINGS, {"id": after})).one()
    assert tuple(row) == (4, 4, datetime(2026, 3, 1, 13, 30), False, False, 0, 2)
