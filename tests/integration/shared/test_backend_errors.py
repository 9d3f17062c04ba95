"""Real servers that can't serve for a while: their errors pass, and work is held until they have."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from shared import postgres
from shared.redis import Argument, RedisError, ScriptRunner, topology_of
from shared.retry import is_transient, retry_until_available

WRITE = "return redis.call('SET', 'key', ARGV[1])"
WRITE_SHA = "ee0e4a5ee0e4a5ee0e4a5ee0e4a5ee0e4a5ee0e4"
"""Not its SHA-1: the server is sent the text each time, and its answers come through the whole way."""


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """For the operator's part."""
    made = Redis.from_url(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
async def runner(redis_url: str) -> AsyncIterator[ScriptRunner]:
    """What services write with."""
    topology = topology_of(redis_url, 1)
    made = ScriptRunner(lambda: topology.locate(0), topology.forget)
    yield made
    made.close()


@asynccontextmanager
async def configured(client: Redis, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """Settings of the server, for a while."""
    before = {name: str((await client.config_get(name))[name]) for name in settings}
    for name, value in settings.items():
        await client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            await client.config_set(name, value)


@asynccontextmanager
async def replica_of_nobody(client: Redis) -> AsyncIterator[None]:
    """The server replicates a master that isn't there."""
    await client.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        await client.replicaof("NO", "ONE")


async def write(runner: ScriptRunner, value: Argument = 1) -> object:
    return await runner.run(WRITE_SHA, WRITE, (value,))


async def held_until_back(runner: ScriptRunner) -> asyncio.Task[object]:
    """A write that has failed at least once, and is tried again."""
    failed = asyncio.Event()

    async def work() -> object:
        try:
            return await write(runner, "held")
        except Exception:
            failed.set()
            raise

    waiting = asyncio.create_task(retry_until_available("test", work))
    await asyncio.wait([waiting, asyncio.create_task(failed.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not waiting.done()
    return waiting


@pytest.mark.parametrize(
    "settings",
    [{"maxmemory": "1"}, {"min-replicas-to-write": "1"}],
    ids=["memory is full", "replicas are away"],
)
async def test_a_redis_that_takes_no_writes(runner: ScriptRunner, client: Redis, settings: Mapping[str, str]) -> None:
    async with configured(client, settings):
        waiting = await held_until_back(runner)
    assert await waiting == b"OK"
    assert await client.get("key") == b"held"


@pytest.mark.parametrize("transaction", [True, False])
async def test_a_pipeline_that_a_redis_does_not_take(client: Redis, transaction: bool) -> None:
    """redis-py puts words of its own before the answer."""
    async with configured(client, {"min-replicas-to-write": "1"}), client.pipeline(transaction=transaction) as pipe:
        pipe.incr("key")
        with pytest.raises(RedisError) as raised:
            await pipe.execute()
    assert is_transient(raised.value)


@pytest.mark.parametrize("stale", ["yes", "no"], ids=["READONLY", "MASTERDOWN"])
async def test_a_redis_that_became_a_replica(runner: ScriptRunner, client: Redis, stale: str) -> None:
    async with configured(client, {"replica-serve-stale-data": stale}):
        async with replica_of_nobody(client):
            waiting = await held_until_back(runner)
        assert await waiting == b"OK"


async def test_a_redis_that_runs_a_long_script(runner: ScriptRunner, client: Redis) -> None:
    async with configured(client, {"busy-reply-threshold": "1"}):
        endless = asyncio.ensure_future(client.eval("while true do end", 0))
        waiting = await held_until_back(runner)
        async with Redis.from_url(_url(client)) as other:
            await other.script_kill()
        with pytest.raises(Exception, match="killed"):
            await endless
    assert await waiting == b"OK"


async def test_sessions_that_postgresql_ends(database_url: str) -> None:
    """Each error that asyncpg raises then, at any moment, is transient."""
    pool = await postgres.open_pool(SecretStr(database_url), size=4, application_name="victim")
    other = await asyncpg.connect(database_url)
    errors: list[Exception] = []

    async def query() -> None:
        for _ in range(200):
            try:
                await pool.fetch("SELECT pg_sleep(0.001)")
            except Exception as error:
                errors.append(error)

    queries = [asyncio.create_task(query()) for _ in range(4)]
    while not all(each.done() for each in queries):
        await other.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
        await asyncio.wait(queries, timeout=0.02)
    assert errors
    assert [error for error in errors if not is_transient(error)] == []
    await other.close()
    await pool.close()


async def test_a_postgresql_that_is_read_only(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"default_transaction_read_only": "on"})
    with pytest.raises(asyncpg.PostgresError) as raised:
        await connection.execute("DELETE FROM directory.users")
    assert is_transient(raised.value)
    await connection.close()


def _url(client: Redis) -> str:
    options = client.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options['db']}"
