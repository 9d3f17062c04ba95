"""What can go wrong with Redis, and which of it passes."""

import re
from typing import Final

from redis.exceptions import AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

TRANSIENT_ERRORS: Final = (
    RedisConnectionError,  # LOADING is one of its kinds
    RedisTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,  # MASTERDOWN is one of its kinds
    TryAgainError,
    AskError,  # MOVED is one of its kinds
    OSError,
    TimeoutError,
)
"""Classes of errors after which the same command may succeed. `is_transient` knows the others, which have no class."""

_CODES: Final = "ASK|BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNBLOCKED"
_PASSING: Final = re.compile(rf"^-?(?:{_CODES})\b|: -(?:{_CODES})\b|Script attempted to access a non local key")
"""How answers begin, or what stands inside them when a script got them: Redis before 7 wraps what its scripts get
(«ERR Error running script (call to f_…): @user_script:1: … -OOM command not allowed …»). A script that finds a key of its
slot elsewhere runs in the middle of a resharding."""


def is_transient(error: BaseException) -> bool:
    """True when the same command may succeed later: the server is away, full, starting, busy, or no longer the master."""
    if isinstance(error, TRANSIENT_ERRORS):
        return True
    return isinstance(error, RedisError) and _PASSING.search(str(error)) is not None
