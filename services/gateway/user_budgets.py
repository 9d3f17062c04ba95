"""Budgets of users over all connections and gateways: token buckets in Redis. One call takes from those of many users."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from services.gateway import metrics
from shared.protocol.codec import msgpack_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.redis import REDIS_ERRORS, Partitions, Script

log = structlog.get_logger(__name__)

MINUTE_MS: Final = 60_000
ANSWER_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 0.1
"""How long it may take until Redis counts what a gateway allowed by itself."""

_take = Script("services.gateway", "budget", "take_budgets")


class Budget(StrEnum):
    """What is limited. The value is its name in metrics and in Redis keys."""

    MESSAGES = "messages"
    CHANGES = "changes"
    """Edits, deletions and reactions."""
    BLOCKS = "blocks"
    STATUSES = "statuses"
    HANDSHAKES = "handshakes"


class Grant(NamedTuple):
    """How many are allowed now, the seconds until the next one would be, and the seconds until the bucket is full again.

    `one_gateway`: all connections of the user are at one gateway; checked for messages only.
    """

    allowed: int
    retry_after: float
    full_after: float
    one_gateway: bool


_BURSTS: Final = {Budget.STATUSES: 20}
"""Budgets with a burst smaller than a minute's number: each change of status goes to all friends.

It is what the protocol lets one connection send in a second.
"""

BucketKey = tuple[str, Budget]
"""(user id, budget): whose bucket, and of what."""
Wanted = Mapping[BucketKey, int]
"""How many of each."""


class UserBudgets:
    """A number for each user and minute, refilled steadily. Most buckets hold a minute's number. 0 means no limit."""

    def __init__(self, partitions: Partitions, per_minute: Mapping[Budget, int]) -> None:
        self._partitions = partitions
        self._per_minute = {budget: count for budget, count in per_minute.items() if count}
        self._uncounted: Counter[BucketKey] = Counter()
        self._any_uncounted = asyncio.Event()
        self.generation = 0
        """Increases when Redis failed to count what was allowed: copies of buckets of an earlier generation are invalid."""

    def is_limited(self, budget: Budget) -> bool:
        """Return whether there is a limit at all."""
        return budget in self._per_minute

    def interval_and_burst(self, budget: Budget) -> tuple[float, int]:
        """Return of a limited budget: the seconds until a bucket gets one more, and how many it holds."""
        per_minute = self._per_minute[budget]
        return MINUTE_MS / per_minute / 1000, min(per_minute, _BURSTS.get(budget, per_minute))

    def charge(self, user_id: str, budget: Budget, count: int) -> None:
        """Charge what this gateway allowed by itself. Redis counts it with the next call, or soon (`settle_forever`)."""
        self._uncounted[user_id, budget] += count
        self._any_uncounted.set()

    async def settle_forever(self) -> None:
        """Have Redis count what this gateway allowed by itself. Never returns."""
        while True:
            await self._any_uncounted.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._any_uncounted.clear()
            await self.take(dict.fromkeys(self._uncounted, 0))

    async def take(self, wanted: Wanted) -> dict[BucketKey, Grant | None]:
        """Take from limited budgets as much as there is. The grant is None where Redis is away."""
        if len(self._partitions) == 1:
            return await self._ask(0, wanted) if wanted else {}
        found: dict[BucketKey, Grant | None] = {}
        groups = self._partitions.split({user for user, _ in wanted})
        for group in await asyncio.gather(
            *(self._ask(index, _of_users(wanted, set(users))) for index, users in groups.items())
        ):
            found.update(group)
        return found

    async def _ask(self, index: int, wanted: Wanted) -> dict[BucketKey, Grant | None]:
        items = []
        for (user, budget), count in wanted.items():
            interval, burst = self.interval_and_burst(budget)
            who = user if budget is Budget.MESSAGES else ""
            items.append(
                (budget_key(user, budget), count, interval * 1000, burst, self._uncounted.pop((user, budget), 0), who)
            )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answers = await _take(self._partitions.at(index), msgpack_encoder.encode(items))
        except REDIS_ERRORS as error:
            log.warning("budgets.not_counted", users=len(items), error=repr(error))
            self.generation += 1
            return dict.fromkeys(wanted)
        return {
            key: Grant(allowed, wait_ms / 1000, full_ms / 1000, bool(one_gateway))
            for key, (allowed, wait_ms, full_ms, one_gateway) in zip(wanted, answers, strict=True)
        }


def budget_key(user_id: str, budget: Budget) -> str:
    """Return what follows the prefix `keys.RATE` in the key of a user's budget."""
    # The key of messages has another form, because it is older than the other budgets.
    return user_id if budget is Budget.MESSAGES else f"{budget}:{user_id}"


def too_many_handshakes(retry_after: float) -> ProtocolError:
    """Return the refusal of a user who has used up the handshakes of a minute, and count it. `retry_after`: seconds."""
    metrics.RATE_LIMITED.labels(Budget.HANDSHAKES).inc()
    message = "Too many connections were opened in a minute"
    return ProtocolError(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=retry_after)


def _of_users(wanted: Wanted, users: set[str]) -> Wanted:
    return {key: count for key, count in wanted.items() if key[0] in users}
