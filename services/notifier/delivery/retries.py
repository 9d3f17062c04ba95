"""Retries: jobs that wait at the broker for their next attempt, and how long they wait."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from shared.protocol import relay
from shared.protocol.bodies import bodies_of
from shared.protocol.topology import (
    NOTIFIER_EVENTS_DEAD,
    NOTIFIER_POSTPONED,
    NOTIFIER_RETRIES,
    NOTIFIER_RETRIES_DEAD,
    NOTIFIER_RETRY_WAITS,
    NOTIFIER_UNDELIVERED,
)
from shared.rabbitmq import Publisher
from shared.retry import retry_until_available

RETRY_QUEUES: Final = (
    NOTIFIER_RETRIES_DEAD,
    NOTIFIER_RETRIES,
    *NOTIFIER_RETRY_WAITS.values(),
    NOTIFIER_POSTPONED,
    NOTIFIER_EVENTS_DEAD,
)
WAITS: Final = tuple(sorted(NOTIFIER_RETRY_WAITS))
"""Seconds; each has a queue of its own at the broker."""
LONGEST_DEFERRAL_SECONDS: Final = 600
DEFERRALS_A_STEP: Final = 4
POSTPONED_SECONDS: Final = 5


def after_attempt(attempts: int, retry_after_seconds: float | None) -> int:
    """Return the wait in seconds after the `attempts`-th request failed: 5 s, 30 s, 2 min, 10 min or 1 h.

    It is at least what the service asked for, up to the longest wait.
    """
    steps = [wait for wait in WAITS if wait >= (retry_after_seconds or 0)] or [WAITS[-1]]
    return max(steps[0], WAITS[min(attempts, len(WAITS)) - 1])


def after_deferral(deferrals: int, *, full: bool = False) -> int:
    """Return the wait in seconds when no request was made.

    There are four short waits, in which a full queue empties, a claim expires or a service recovers; then longer ones, up to 10
    min. When the service queue was `full`, there are three times as many of each.
    """
    a_step = DEFERRALS_A_STEP * (3 if full else 1)
    return WAITS[min(deferrals // a_step, WAITS.index(LONGEST_DEFERRAL_SECONDS))]


class Retries:
    """Publishes jobs to the delay queues. The broker moves them to the queue of retries, for any replica."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def put(self, retries: Sequence[relay.PushRetry], wait_seconds: int) -> None:
        """Publish `retries` to the queue of this wait. Returns when the broker has confirmed, however long that takes."""
        queue = NOTIFIER_RETRY_WAITS[wait_seconds]
        for body in bodies_of(retries, relay.PushRetryBatch, NOTIFIER_RETRIES):
            publish = partial(self._publisher.publish, queue, body, expiration_seconds=wait_seconds)
            await retry_until_available("publish retries", publish)

    async def postpone(self, messages: Sequence[relay.Undelivered]) -> None:
        """Publish messages to be handled again as if they had just been reported."""
        for body in bodies_of(messages, relay.UndeliveredBatch, NOTIFIER_UNDELIVERED):
            publish = partial(self._publisher.publish, NOTIFIER_POSTPONED, body, expiration_seconds=POSTPONED_SECONDS)
            await retry_until_available("publish postponed", publish)
