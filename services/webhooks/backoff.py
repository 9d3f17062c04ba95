"""Backoff: when a refused event is retried. Soon at first, then every ten seconds.

The protocol promises a retry within 10 s. Only one event of each conversation is retried, and the circuit breaker stops attempts
to an endpoint that refuses everything, so the load stays small.
"""

import random
from datetime import datetime, timedelta
from typing import Final

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 10.0


def after_refusal(attempts: int, now: datetime, jitter: float | None = None) -> datetime:
    """Return when to retry after `attempts` refusals: after 1, 2, 4, 8, 10 s, or up to a fifth earlier.

    `jitter` is 0 to 1, random unless it is given.
    """
    pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempts - 1, 20))
    share = random.random() if jitter is None else jitter  # noqa: S311
    return now + timedelta(seconds=pause * (1 - share / 5))
