"""Which commands may go on: each is counted against a budget of its user."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from services.gateway.uplink.error_replies import ErrorReplies
from services.gateway.user_budgets import Budget, UserBudgets, Verdict
from shared.protocol import relay

C = TypeVar("C", bound=relay.Command | relay.SetStatus)

_BUDGETS: Final[dict[type[Any], Budget | None]] = {
    relay.SendMessage: Budget.MESSAGES,
    relay.MarkRead: None,
    relay.MarkDelivered: None,
    relay.SetBlock: Budget.BLOCKS,
    relay.SetStatus: Budget.STATUSES,
}
"""Command → the budget that it is counted against; all others change messages."""


class CommandRateLimit:
    """Refuses commands beyond their users' budgets.

    Without Redis there is neither a count nor a way for the answer to come back (acknowledgements come down by its
    pub/sub), so limited commands are refused with `send_failed`, at once.
    """

    def __init__(self, budgets: UserBudgets, error_replies: ErrorReplies) -> None:
        self._budgets = budgets
        self._error_replies = error_replies

    async def admit(self, commands: list[C]) -> list[C]:
        """The commands that may go on, in order; the others are answered here."""
        wanted: Counter[tuple[str, Budget]] = Counter()
        for command in commands:
            budget = self._budget_of(command)
            if budget is not None:
                wanted[command.user_id, budget] += 1
        if not wanted:
            return commands
        verdicts = await self._budgets.take(wanted)
        if all(verdict is not None and verdict.allowed >= wanted[key] for key, verdict in verdicts.items()):
            return commands
        return self._sort_out(commands, verdicts)

    def _budget_of(self, command: relay.Command | relay.SetStatus) -> Budget | None:
        budget = _BUDGETS.get(type(command), Budget.CHANGES)
        return budget if budget is not None and self._budgets.limits(budget) else None

    def _sort_out(self, commands: list[C], verdicts: Mapping[tuple[str, Budget], Verdict | None]) -> list[C]:
        """Refuse what goes beyond the verdicts; a user's first commands are the ones that pass."""
        now = time.monotonic()
        passed: list[C] = []
        used: Counter[tuple[str, Budget]] = Counter()
        for command in commands:
            budget = self._budget_of(command)
            if budget is None:
                passed.append(command)
                continue
            verdict = verdicts[command.user_id, budget]
            if verdict is None:
                self._error_replies.send_failed([command], "redis unavailable")
            elif used[command.user_id, budget] < verdict.allowed:
                used[command.user_id, budget] += 1
                passed.append(command)
            else:
                self._error_replies.rate_limited(command, budget, verdict.retry_after, now)
        return passed
