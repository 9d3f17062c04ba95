"""A revoked token stays revoked when Redis loses data; a token that was issued afterwards is valid at once."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from shared import postgres
from shared.auth import Principal, TokenError, revocations
from shared.auth.revocations import Revocations
from shared.protocol import keys
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.redis import Partitions, open_partitions
from shared.rest.rate_limit import RateLimit

SECONDS = 20


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(SecretStr(database_url), size=4, application_name="test")
    yield opened
    opened.terminate()


@pytest.fixture
async def nowhere() -> AsyncIterator[Partitions]:
    """A Redis that is away."""
    opened = open_partitions("redis://127.0.0.1:1")
    yield opened
    await opened.aclose()


@pytest.fixture
def user() -> str:
    return str(uuid.uuid4())


def issued(user: str, at: float) -> Principal:
    return Principal(user, expires_at=at + 3600, issued_at=at)


async def accepted(replica: Revocations, principal: Principal) -> bool:
    try:
        await replica.check(principal)
    except TokenError:
        return False
    return True


async def test_a_redis_that_forgets_makes_no_token_valid(
    pool: postgres.Pool, partitions: Partitions, user: str
) -> None:
    replica = Revocations(pool, partitions)
    old = issued(user, time.time() - 60)
    assert await accepted(replica, old)
    await replica.revoke(user, 3600)
    assert not await accepted(replica, old)
    await partitions.of(user).client.flushall()
    assert not await accepted(replica, old)
    assert not await accepted(Revocations(pool, partitions), old)


async def test_a_revocation_that_redis_lost_ends_a_remembered_token(
    pool: postgres.Pool, partitions: Partitions, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "LOOK_SECONDS", 0.05)
    replica = Revocations(pool, partitions)
    looking = asyncio.create_task(replica.run())
    old = issued(user, time.time() - 60)
    try:
        async with asyncio.timeout(SECONDS):
            while replica._version is None:  # noqa: ASYNC110 - a look at the state
                await asyncio.sleep(0.01)
            assert await accepted(replica, old)
            await Revocations(pool, partitions).revoke(user, None)
            await partitions.of(user).client.flushall()
            while await accepted(replica, old):  # noqa: ASYNC110 - the replica tells nobody
                await asyncio.sleep(0.01)
    finally:
        looking.cancel()


def knows(replica: Revocations) -> bool:
    return replica._version is not None or replica._all_revoked is not None


async def test_an_idle_replica_stops_reading_and_forgets_what_it_read(
    pool: postgres.Pool, partitions: Partitions, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "LOOK_SECONDS", 0.02)
    replica = Revocations(pool, partitions)
    old = issued(user, time.time() - 60)
    looking = asyncio.create_task(replica.run())
    try:
        async with asyncio.timeout(SECONDS):
            while not knows(replica):
                assert await accepted(replica, old)
                await asyncio.sleep(0.01)
            while knows(replica):  # noqa: ASYNC110 - a look at the state
                await asyncio.sleep(0.01)
            await Revocations(pool, partitions).revoke(user, None)
            await partitions.of(user).client.flushall()
            assert not await accepted(replica, old)
            while not knows(replica):
                await replica.check(issued(str(uuid.uuid4()), time.time()))
                await asyncio.sleep(0.01)
    finally:
        looking.cancel()


@pytest.mark.parametrize("few", [0, 1_000], ids=["many revoked", "few revoked"])
async def test_what_is_known_costs_no_statement(
    pool: postgres.Pool, partitions: Partitions, user: str, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The answer about this user, or that few are revoked and this one isn't."""
    monkeypatch.setattr(revocations, "FEW", few)
    replica = Revocations(pool, partitions)
    await replica.revoke(str(uuid.uuid4()), None)
    looking = asyncio.create_task(replica.run())
    try:
        async with asyncio.timeout(SECONDS):
            while replica._version is None:  # noqa: ASYNC110 - a look at the state
                await asyncio.sleep(0.01)
        if not few:
            await replica.check(issued(user, time.time()))
        monkeypatch.setattr(replica, "_ask", None)
        await replica.check(issued(user, time.time()))
    finally:
        looking.cancel()


async def test_many_are_asked_about_together(pool: postgres.Pool, partitions: Partitions) -> None:
    replica = Revocations(pool, partitions)
    users = [str(uuid.uuid4()) for _ in range(200)]
    for revoked in users[::2]:
        await replica.revoke(revoked, None)
    await partitions.at(0).client.flushall()
    answers = await asyncio.gather(*(accepted(replica, issued(user, 1_700_000_000)) for user in users))
    assert answers == [False, True] * 100


async def test_times_are_compared_to_the_millisecond_where_the_token_has_them(
    pool: postgres.Pool, partitions: Partitions, user: str
) -> None:
    replica = Revocations(pool, partitions)
    since = await replica.revoke(user, 3600)
    assert not await accepted(replica, issued(user, since - 0.001))
    assert not await accepted(replica, issued(user, since))
    assert await accepted(replica, issued(user, since + 0.001))
    # In whole seconds the two can't be told apart.
    assert not await accepted(replica, issued(user, float(int(since))))
    assert await accepted(replica, issued(user, float(int(since) + 1)))


async def test_a_token_without_iat_is_told_what_it_lacks(
    pool: postgres.Pool, partitions: Partitions, user: str
) -> None:
    replica = Revocations(pool, partitions)
    await replica.check(Principal(user, expires_at=time.time() + 60))
    await replica.revoke(user, 3600)
    with pytest.raises(TokenError, match="no iat claim"):
        await replica.check(Principal(user, expires_at=time.time() + 60))


@pytest.mark.parametrize(
    ("before", "after", "stands"),
    [(None, 60, None), (60, None, None), (3600, 60, 3600), (60, 3600, 3600)],
    ids=["forever", "becomes-forever", "later", "becomes-later"],
)
async def test_an_end_never_comes_earlier(
    pool: postgres.Pool,
    partitions: Partitions,
    user: str,
    before: int | None,
    after: int | None,
    stands: int | None,
) -> None:
    replica = Revocations(pool, partitions)
    first = await replica.revoke(user, before)
    assert await replica.revoke(user, after) >= first
    left = await pool.fetchval(
        "SELECT extract(EPOCH FROM expires_at - now())::float FROM directory.revocations WHERE user_id = $1", user
    )
    assert left == (None if stands is None else pytest.approx(stands, abs=30))


async def test_an_ended_revocation_is_forgotten(pool: postgres.Pool, partitions: Partitions, user: str) -> None:
    replica = Revocations(pool, partitions)
    await replica.revoke(user, 3600)
    await pool.execute("UPDATE directory.revocations SET expires_at = now() - interval '1 s' WHERE user_id = $1", user)
    await partitions.of(user).client.delete(partitions.of(user).key(keys.REVOKED, user))
    assert await accepted(replica, issued(user, 1_700_000_000))
    await replica.revoke(str(uuid.uuid4()), 3600)
    assert await pool.fetchval("SELECT count(*) FROM directory.revocations WHERE user_id = $1", user) == 0


async def test_redis_stands_in_while_postgresql_is_away(
    database_url: str, pool: postgres.Pool, partitions: Partitions, user: str
) -> None:
    await Revocations(pool, partitions).revoke(user, 3600)
    nowhere = await postgres.open_pool(SecretStr("postgresql://x@127.0.0.1:1/x"), size=1, application_name="test")
    replica = Revocations(nowhere, partitions)
    assert not await accepted(replica, issued(user, 1_700_000_000))
    assert await accepted(replica, issued(str(uuid.uuid4()), 1_700_000_000))
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await replica.revoke(user, 3600)


async def test_postgresql_answers_while_redis_is_away(
    pool: postgres.Pool, partitions: Partitions, nowhere: Partitions, user: str
) -> None:
    await Revocations(pool, partitions).revoke(user, 3600)
    replica = Revocations(pool, nowhere)
    with pytest.raises(TokenError):
        await replica.check_stored(issued(user, 1_700_000_000), redis_away=True)
    await replica.check_stored(issued(str(uuid.uuid4()), 1_700_000_000), redis_away=True)


async def test_no_token_is_accepted_without_postgresql_and_redis(nowhere: Partitions, user: str) -> None:
    away = await postgres.open_pool(SecretStr("postgresql://x@127.0.0.1:1/x"), size=1, application_name="test")
    with pytest.raises(ConnectionError, match="neither PostgreSQL nor Redis"):
        await Revocations(away, nowhere).check_stored(issued(user, 1_700_000_000), redis_away=True)


async def test_requests_are_counted_here_while_redis_is_away(nowhere: Partitions, user: str) -> None:
    limit = RateLimit(nowhere, "test", 3600, burst=3)
    for _ in range(3):
        assert await limit.admit(user, "Too many requests") is None
    with pytest.raises(ProtocolError) as refused:
        await limit.admit(user, "Too many requests")
    assert refused.value.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert await limit.admit(str(uuid.uuid4()), "Too many requests") is None


async def test_an_error_of_ours_leaves_nobody_waiting(
    pool: postgres.Pool, partitions: Partitions, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis' copy counts meanwhile, and PostgreSQL is asked again afterwards."""
    monkeypatch.setattr(revocations, "AWAY_SECONDS", 0)
    replica, old = Revocations(pool, partitions), issued(user, time.time() - 60)
    with monkeypatch.context() as broken:
        broken.setattr(revocations, "_REVOCATIONS_OF", "SELECT 1 AS other WHERE $1::uuid[] IS NOT NULL")
        async with asyncio.timeout(SECONDS):
            assert await accepted(replica, old)
    await Revocations(pool, partitions).revoke(user, None)
    await partitions.of(user).client.flushall()
    assert not await accepted(replica, old)
