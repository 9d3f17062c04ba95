"""`make abuse` gives its hostile account the budget of messages that accounts have in production."""

import asyncio
import time
import uuid

from services.gateway.user_budgets import Budget, UserBudgets
from shared.redis import Partitions
from tools.abuse.usual_budget import MESSAGES_PER_MINUTE, USUAL_PER_MINUTE, UsualBudget

SECONDS = 3.0


async def test_an_account_has_the_usual_burst_and_the_usual_rate(partitions: Partitions) -> None:
    """Of the larger budget 36 more would pass in this time, of the usual one 2."""
    key = (str(uuid.uuid4()), Budget.MESSAGES)
    gateway = UserBudgets(partitions, {Budget.MESSAGES: MESSAGES_PER_MINUTE})
    usual = UsualBudget(partitions, [key[0]])
    await usual.trim()
    end = time.monotonic() + SECONDS
    keeping = asyncio.create_task(usual.keep())
    allowed = 0
    while time.monotonic() < end:
        grant = (await gateway.take({key: MESSAGES_PER_MINUTE}))[key]
        assert grant is not None
        allowed += grant.allowed
        await asyncio.sleep(0.05)
    keeping.cancel()
    assert USUAL_PER_MINUTE - 1 <= allowed <= USUAL_PER_MINUTE + SECONDS * MESSAGES_PER_MINUTE / 60 / 2
