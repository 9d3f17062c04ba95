"""How long a replica may go on with a lease that it couldn't renew. PostgreSQL is played by answers."""

import asyncio
from typing import Any, cast

import pytest

from services.webhooks.lease import MARGIN_SECONDS, SECONDS, Lease
from shared.postgres import Pool


class Database:
    """Grants the lease, refuses it, or doesn't answer; an answer takes `seconds` of the clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = 0.0
        self.grants = True
        self.answers = True

    async def fetchrow(self, *_: Any) -> dict[str, str] | None:
        if not self.answers:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.now += self.seconds
        return {"owner": "one"} if self.grants else None


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def lease(database: Database) -> Lease:
    return Lease(cast("Pool", database), "https://platform.example", "one", lambda: database.now)


async def test_a_lease_counts_from_before_the_question(database: Database, lease: Lease) -> None:
    database.seconds = 3
    assert await lease.take()
    assert lease.remaining_seconds == SECONDS - MARGIN_SECONDS - 3


async def test_a_lease_that_was_refused_gives_no_time(database: Database, lease: Lease) -> None:
    database.grants = False
    assert not await lease.take()
    assert lease.remaining_seconds == 0


async def test_a_renewal_that_is_refused_leaves_the_old_end(database: Database, lease: Lease) -> None:
    assert await lease.take()
    database.now += 4
    database.grants = False
    assert not await lease.renew()
    assert lease.remaining_seconds == SECONDS - MARGIN_SECONDS - 4


async def test_without_an_answer_a_renewal_ends_while_there_is_time_to_stop(database: Database, lease: Lease) -> None:
    assert await lease.take()
    database.now += SECONDS - MARGIN_SECONDS - 0.01
    database.answers = False
    with pytest.raises(TimeoutError):
        await lease.renew()


async def test_a_lease_that_ended_is_not_renewed(database: Database, lease: Lease) -> None:
    assert await lease.take()
    database.now += SECONDS
    with pytest.raises(TimeoutError):
        await lease.renew()
