"""Scripts on one connection to a real Redis that forgets scripts, disconnects, and doesn't answer."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha1

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.redis import Argument, Connection, ScriptRunner, topology_of
from tests.support.backends import with_path

ECHO = "return {ARGV[1], ARGV[2]}"
FAILING = "return redis.error_reply('WRONGTYPE of something')"


def runner_at(url: str) -> ScriptRunner:
    """Runs scripts on the server of `url`."""
    topology = topology_of(url, 1)
    return ScriptRunner(lambda: topology.locate(0), topology.forget)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """Another client of the same server."""
    made = Redis.from_url(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
async def runner(redis_url: str) -> AsyncIterator[ScriptRunner]:
    made = runner_at(redis_url)
    yield made
    made.close()


async def run(runner: ScriptRunner, text: str, *arguments: Argument) -> object:
    return await runner.run(sha1(text.encode(), usedforsecurity=False).hexdigest(), text, arguments)


async def hang_up(client: Redis) -> None:
    """Cut all connections but our own."""
    await client.client_kill_filter(_type="normal", skipme=True)


async def test_a_script_that_the_server_forgot_is_sent_again(runner: ScriptRunner, client: Redis) -> None:
    for _ in range(2):
        await client.script_flush()
        assert await run(runner, ECHO, b"\x00\xff", 7) == [b"\x00\xff", b"7"]


async def test_many_at_once_get_their_own_answers(runner: ScriptRunner) -> None:
    answers = await asyncio.gather(*(run(runner, ECHO, number, "é") for number in range(500)))
    assert answers == [[str(number).encode(), "é".encode()] for number in range(500)]


async def test_whoever_stops_waiting_leaves_the_others_their_answers(runner: ScriptRunner) -> None:
    await run(runner, ECHO, 0, 0)
    first, second = (asyncio.create_task(run(runner, ECHO, number, "")) for number in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [b"2", b""]


async def test_errors_are_those_of_redis_py(runner: ScriptRunner) -> None:
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await run(runner, FAILING)
    with pytest.raises(ResponseError):
        await run(runner, "this is not Lua")
    assert await run(runner, ECHO, 1, 2) == [b"1", b"2"]


async def test_a_connection_that_breaks_is_made_again(runner: ScriptRunner, client: Redis) -> None:
    for number in range(3):
        assert await run(runner, ECHO, number, "") == [str(number).encode(), b""]
        await hang_up(client)


async def test_it_signs_in_and_chooses_the_database(redis_url: str, client: Redis) -> None:
    await client.acl_setuser("runner", enabled=True, passwords=["+s3cret"], categories=["+@all"], keys=["*"])
    try:
        url = with_path(redis_url, "1").replace("redis://", "redis://runner:s3cret@")
        runner = runner_at(url)
        await run(runner, "redis.call('SET', 'where', ARGV[1])", "here")
        runner.close()
        assert await client.get("where") is None
        other = Redis.from_url(with_path(redis_url, "1"))
        assert await other.get("where") == b"here"
        await other.aclose()
        with pytest.raises(AuthenticationError):
            await run(runner_at(url.replace("s3cret", "wrong")), ECHO, 1, 2)
    finally:
        await client.acl_deluser("runner")


async def test_a_server_that_is_away_is_told_at_once() -> None:
    with pytest.raises(RedisConnectionError):
        await run(runner_at("redis://127.0.0.1:1"), ECHO)


async def test_a_server_that_keeps_silent_is_given_up(
    redis_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.redis.connection.ANSWER_SECONDS", 0.2)
    connection = Connection()
    await connection.open(await topology_of(redis_url, 1).locate(0))
    silent = connection.ask("BLPOP", "nothing", 0)
    behind = connection.ask("PING")
    for reply in (silent, behind):
        with pytest.raises(RedisTimeoutError):
            await reply
    await connection.ended
    with pytest.raises(RedisTimeoutError):
        await connection.ask("PING")


async def test_what_is_not_redis_is_dropped() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RedisConnectionError):
            await run(runner_at(f"redis://127.0.0.1:{port}"), ECHO)
