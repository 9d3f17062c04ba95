"""Which errors are waited out, and which never go away."""

import asyncpg
import pytest
from asyncpg.exceptions._base import DataError as ClientDataError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from services.messaging.outage import is_transient, outlast
from shared.rabbitmq import BrokerUnavailable


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (asyncpg.DeadlockDetectedError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (ClientDataError("invalid UUID"), False),
        (asyncpg.CharacterNotInRepertoireError(), False),
        (asyncpg.UndefinedTableError(), False),
        (RedisConnectionError(), True),
        (ResponseError("WRONGTYPE"), False),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (ReadOnlyError("You can't write against a read only replica."), True),
        (BrokerUnavailable(), True),
        (KeyError("bug"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_classification(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


async def test_work_is_tried_again_until_it_is_done() -> None:
    failures = iter([ConnectionRefusedError(), TimeoutError()])

    async def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert await outlast(work) == "done"


async def test_other_errors_come_through() -> None:
    async def work() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await outlast(work)
