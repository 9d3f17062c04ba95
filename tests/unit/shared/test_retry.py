"""Which errors are retried, and which are permanent."""

import asyncio

import asyncpg
import pytest
from asyncpg.exceptions._base import DataError as ClientDataError
from prometheus_client import REGISTRY
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.rabbitmq import BrokerUnavailable
from shared.retry import is_transient, retry_until_available

IN_A_SCRIPT = "ERR Error running script (call to f_2f5c): @user_script:7: @user_script: 7: {}"
"""How Redis 6 and older word what a script got."""
IN_A_PIPELINE = "Command # 1 (SET key OOM) of pipeline caused error: {}"
"""How redis-py words what a pipeline got: the error's arguments follow."""


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (asyncpg.DeadlockDetectedError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("got result for unknown protocol state 3"), True),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"), True),
        (ClientDataError("invalid UUID"), False),
        (asyncpg.CharacterNotInRepertoireError(), False),
        (asyncpg.UndefinedTableError(), False),
        (RedisConnectionError(), True),
        (ResponseError("WRONGTYPE"), False),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (ReadOnlyError("You can't write against a read only replica."), True),
        (
            ResponseError(
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
            ),
            True,
        ),
        (ResponseError("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."), True),
        (BusyLoadingError("Redis is loading the dataset in memory"), True),
        (MasterDownError("Link with MASTER is down and replica-serve-stale-data is set to 'no'."), True),
        (ClusterDownError("CLUSTERDOWN Hash slot not served"), True),
        (TryAgainError("Multiple keys request during rehashing of slot"), True),
        (MovedError("3999 127.0.0.1:6381"), True),
        (ResponseError(IN_A_SCRIPT.format("-OOM command not allowed when used memory > 'maxmemory'.")), True),
        (ResponseError(IN_A_SCRIPT.format("-READONLY You can't write against a read only replica.")), True),
        (ResponseError(IN_A_SCRIPT.format("-MISCONF Redis is configured to save RDB snapshots")), True),
        (ResponseError(IN_A_SCRIPT.format("Wrong number of args calling Redis command From Lua script")), False),
        (ResponseError("ERR the OOM killer is not meant"), False),
        (ResponseError(IN_A_PIPELINE.format(("NOREPLICAS Not enough good replicas to write.",))), True),
        (ResponseError(IN_A_PIPELINE.format(("MISCONF Redis is configured to save, but it's unable to",))), True),
        (ResponseError(IN_A_PIPELINE.format(("WRONGTYPE Operation against a key",))), False),
        (BrokerUnavailable(), True),
        (KeyError("bug"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_classification(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_logs_say_what_redis_answered() -> None:
    assert "NOREPLICAS" in repr(ResponseError("NOREPLICAS Not enough good replicas to write."))


async def test_work_is_tried_again_until_it_is_done() -> None:
    failures = iter([ConnectionRefusedError(), TimeoutError()])

    async def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    before = retries("twice")
    assert await retry_until_available("twice", work) == "done"
    assert retries("twice") == before + 2


async def test_other_errors_come_through() -> None:
    async def work() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await retry_until_available("never", work)


async def test_what_is_held_is_counted() -> None:
    """Each piece of work counts while it waits, and no longer when it is done or given up."""
    back = asyncio.Event()
    failures = asyncio.Semaphore(0)

    async def work() -> None:
        if not back.is_set():
            failures.release()
            raise ConnectionRefusedError

    waiting = [asyncio.create_task(retry_until_available("held", work)) for _ in range(3)]
    for _ in waiting:
        await failures.acquire()
    await asyncio.sleep(0)
    assert held("held") == 3
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert held("held") == 2
    back.set()
    await asyncio.gather(*waiting[1:])
    assert held("held") == 0


def held(work: str) -> float:
    return sample("chat_work_held", work)


def retries(work: str) -> float:
    return sample("chat_work_retries_total", work)


def sample(name: str, work: str) -> float:
    return REGISTRY.get_sample_value(name, {"work": work}) or 0
