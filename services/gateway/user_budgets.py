"""How much each user may do, over all connections and gateways: counted in Redis, asked once for many users."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from shared.protocol.codec import msgpack_encoder
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError, Script

log = structlog.get_logger(__name__)

MINUTE_MS: Final = 60_000
ANSWER_SECONDS: Final = 1.0

_take = Script("services.gateway", "take_budgets")


class Budget(StrEnum):
    """What is counted; the value names it in metrics, and in Redis' keys."""

    MESSAGES = "messages"
    CHANGES = "changes"
    """Edits, deletions and reactions."""
    BLOCKS = "blocks"
    STATUSES = "statuses"
    HANDSHAKES = "handshakes"


class Verdict(NamedTuple):
    """How many are allowed now, and in how many seconds the next one would be."""

    allowed: int
    retry_after: float


_AT_ONCE: Final = {Budget.STATUSES: 10}
"""Where fewer than a minute's may come at once: each status is told to all friends."""

Wanted = Mapping[tuple[str, Budget], int]
"""(user id, budget) → how many."""


class UserBudgets:
    """So many a minute for each user, of most budgets all at once, refilled steadily. 0 a minute: as many as it likes."""

    def __init__(self, partitions: Partitions, per_minute: Mapping[Budget, int]) -> None:
        self._partitions = partitions
        self._per_minute = {budget: count for budget, count in per_minute.items() if count}

    def limits(self, budget: Budget) -> bool:
        """True when the budget is limited at all."""
        return budget in self._per_minute

    async def take(self, wanted: Wanted) -> dict[tuple[str, Budget], Verdict | None]:
        """Take from limited budgets as much as is there. None where Redis is away."""
        found: dict[tuple[str, Budget], Verdict | None] = {}
        groups = self._partitions.split({user for user, _ in wanted})
        for group in await asyncio.gather(*(self._ask(index, set(users), wanted) for index, users in groups.items())):
            found.update(group)
        return found

    async def _ask(self, index: int, users: set[str], wanted: Wanted) -> dict[tuple[str, Budget], Verdict | None]:
        asked = [key for key in wanted if key[0] in users]
        items = []
        for user, budget in asked:
            most = self._per_minute[budget]
            # The key of messages is older than the other budgets.
            key = user if budget is Budget.MESSAGES else f"{budget}:{user}"
            items.append((key, wanted[user, budget], MINUTE_MS / most, min(most, _AT_ONCE.get(budget, most))))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answers = await _take(self._partitions.at(index), msgpack_encoder.encode(items))
        except (*TRANSIENT_ERRORS, RedisError) as error:
            log.warning("budgets.unavailable", users=len(users), error=repr(error))
            return dict.fromkeys(asked)
        return {key: Verdict(allowed, wait_ms / 1000) for key, (allowed, wait_ms) in zip(asked, answers, strict=True)}
