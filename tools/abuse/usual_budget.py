"""The usual budget of messages for the hostile account and its partner, where honest pairs need a larger one."""

from collections.abc import Iterable
from typing import Final

from services.gateway.settings import GatewaySettings
from services.gateway.user_budgets import Budget, UserBudgets
from shared.redis import Partitions
from tools.abuse.hostile import ticks

MESSAGES_PER_MINUTE: Final = 720
"""What everybody may send in this run: an honest pair writes ten messages a second."""
USUAL_PER_MINUTE: Final[int] = GatewaySettings.model_fields["messages_per_minute"].default
MINUTE_SECONDS: Final = 60


class UsualBudget:
    """Takes from the budgets of users what they have beyond the usual one, where all gateways count: in Redis.

    So gateways need no other setting for some users, who share them with the honest pairs.
    """

    def __init__(self, partitions: Partitions, user_ids: Iterable[str]) -> None:
        self._budgets = UserBudgets(partitions, {Budget.MESSAGES: MESSAGES_PER_MINUTE})
        self._keys = [(user_id, Budget.MESSAGES) for user_id in user_ids]

    async def trim(self) -> None:
        """Leave no more than may usually be sent at once. Raises ConnectionError when Redis is away."""
        for key in self._keys:
            grant = (await self._budgets.take({key: 0}))[key]
            if grant is None:
                raise ConnectionError("the budget needs Redis")
            left = MESSAGES_PER_MINUTE - round(grant.full_after * MESSAGES_PER_MINUTE / MINUTE_SECONDS)
            await self._spend(key, max(0, left - USUAL_PER_MINUTE))

    async def keep(self) -> None:
        """Spend what comes beyond the usual. Never returns."""
        async for _ in ticks((MESSAGES_PER_MINUTE - USUAL_PER_MINUTE) / MINUTE_SECONDS):
            for key in self._keys:
                await self._spend(key, 1)

    async def _spend(self, key: tuple[str, Budget], count: int) -> None:
        self._budgets.charge(*key, count)
        await self._budgets.take({key: 0})
