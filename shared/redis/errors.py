"""Which errors of Redis are transient."""

import re
from typing import Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    CrossSlotTransactionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# redis-py 8 shows only the class of an error («server:ResponseError»): logs would not say what Redis answered.
RedisError.__repr__ = BaseException.__repr__  # type: ignore[method-assign]

TRANSIENT_ERRORS: Final = (
    RedisConnectionError,  # Includes LOADING.
    RedisTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,  # Includes MASTERDOWN.
    TryAgainError,
    AskError,  # Includes MOVED.
    RedisClusterException,  # No node answers, or a slot isn't served.
    OSError,
    TimeoutError,
)
"""Classes of errors after which the same command may succeed.

`is_transient` also recognizes errors without a class of their own.
"""

REDIS_ERRORS: Final = (*TRANSIENT_ERRORS, RedisError)
"""Everything that a call to Redis may raise, transient or not."""

_LOST_MASTER: Final = "CLUSTERDOWN|LOADING|MASTERDOWN|MOVED|READONLY"
_CODES: Final = f"ASK|BUSY|MISCONF|NOREPLICAS|OOM|TRYAGAIN|UNBLOCKED|{_LOST_MASTER}"
_BEFORE_CODE: Final = r"""(?:^-?|: -|caused error: \(['"])"""
_PASSING: Final = re.compile(rf"{_BEFORE_CODE}(?:{_CODES})\b|Script attempted to access a non local key")
"""How transient error replies begin, or what they contain when a script or a pipeline got them.

Redis before 7 wraps the errors of its scripts («ERR Error running script (call to f_…): @user_script:1: … -OOM command not
allowed …»), and redis-py those of pipelines («Command # 1 (INCR …) of pipeline caused error: ('NOREPLICAS Not enough …',)»). A
script that finds a key of its slot on another node runs during a resharding.
"""
_FROM_NO_MASTER: Final = re.compile(rf"{_BEFORE_CODE}(?:{_LOST_MASTER})\b")


def is_transient(error: BaseException) -> bool:
    """Return True when the same command may succeed later: the server is away, full, starting, busy, or no longer the master."""
    if isinstance(error, TRANSIENT_ERRORS):
        return not isinstance(error, CrossSlotTransactionError)
    return isinstance(error, RedisError) and _PASSING.search(str(error)) is not None


def is_lost_master(error: BaseException) -> bool:
    """Return True when the server that answered isn't (or isn't yet) the master of these keys.

    A new connection may find the master.
    """
    if not isinstance(error, RedisError):
        return False
    return re.fullmatch(_LOST_MASTER, error.status_code or "") is not None or bool(_FROM_NO_MASTER.search(str(error)))
