"""Jobs of the server API that survive a crash."""

import uuid
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.admin.jobs import Job, Jobs
from shared import postgres

KIND = "erase"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(SecretStr(database_url), size=2, application_name="test")
    await opened.execute("DELETE FROM admin.jobs")
    yield opened
    await opened.close()


async def add(jobs: Jobs) -> str:
    return (await jobs.add(str(uuid.uuid4()), KIND)).id


async def claim(jobs: Jobs) -> Job:
    job = await jobs.claim()
    assert job is not None
    return job


async def test_jobs_are_claimed_in_order_by_one_replica_each(pool: postgres.Pool) -> None:
    one, other = Jobs(pool, "one"), Jobs(pool, "other")
    first, second = await add(one), await add(one)
    assert [(await claim(one)).id, (await claim(other)).id] == [first, second]
    third = await add(one)
    assert (await claim(other)).id == third


async def test_a_job_that_fails_holds_up_no_other(pool: postgres.Pool) -> None:
    jobs = Jobs(pool, "one")
    failing, another, later = await add(jobs), await add(jobs), await add(jobs)
    assert (await claim(jobs)).id == failing
    for expected in (another, later):
        job = await claim(jobs)
        assert job.id == expected
        await jobs.advance(job, 1, "")
        await jobs.finish(job)
    assert (await claim(jobs)).id == failing
