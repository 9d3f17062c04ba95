"""Limits commands: each is counted against a budget of its user."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

from services.gateway.session.hub import Hub
from services.gateway.session.message_allowance import MessageAllowance
from services.gateway.uplink.error_replies import ErrorReplies
from services.gateway.user_budgets import Budget, Spender, UserBudgets, Verdict
from shared.protocol import relay

Sender: TypeAlias = tuple[str, str]
"""(user id, connection id)"""

C = TypeVar("C", bound=relay.Command | relay.SetStatus)

_BUDGETS: Final[dict[type[Any], Budget | None]] = {
    relay.SendMessage: Budget.MESSAGES,
    relay.MarkRead: None,
    relay.MarkDelivered: None,
    relay.SetBlock: Budget.BLOCKS,
    relay.SetStatus: Budget.STATUSES,
}
"""Command → the budget that it is counted against; all others count against `Budget.CHANGES`."""


class CommandRateLimit:
    """Refuses commands beyond their users' budgets.

    Messages pass without asking Redis while their user's known allowance is enough.

    Without Redis there is no count, and no way for the answer to come back (acknowledgements come by its pub/sub). So limited
    commands are refused at once, with `send_failed`.
    """

    def __init__(self, budgets: UserBudgets, error_replies: ErrorReplies, hub: Hub) -> None:
        self._budgets = budgets
        self._error_replies = error_replies
        self._hub = hub
        self._limited = {kind: _limited(budget, budgets) for kind, budget in _BUDGETS.items()}
        self._changes = _limited(Budget.CHANGES, budgets)

    async def admit(self, commands: list[C]) -> list[C]:
        """Return the commands that are within budget, in order. The others are answered here."""
        wanted: Counter[Spender] = Counter()
        sends: Counter[Sender] = Counter()
        for command in commands:
            budget = self._limited.get(type(command), self._changes)
            if budget is Budget.MESSAGES:
                sends[command.user_id, command.connection_id] += 1
            elif budget is not None:
                wanted[command.user_id, budget] += 1
        known = self._spend_known(sends, time.monotonic()) if sends else set()
        for sender, count in sends.items():
            if sender not in known:
                wanted[sender[0], Budget.MESSAGES] += count
        if not wanted:
            return commands
        verdicts = await self._budgets.take(wanted)
        self._keep_allowances({user_id for user_id, _ in sends.keys() - known}, sends, wanted, verdicts)
        if all(verdict is not None and verdict.allowed >= wanted[key] for key, verdict in verdicts.items()):
            return commands
        return self._sort_out(commands, known, verdicts)

    def _spend_known(self, sends: Mapping[Sender, int], now: float) -> set[Sender]:
        """Return the senders whose messages pass without asking Redis."""
        known: set[Sender] = set()
        interval, most = self._budgets.pace(Budget.MESSAGES)
        for sender, count in sends.items():
            connection = self._hub.by_id.get(sender[1])
            allowance = None if connection is None else connection.allowance
            if (
                allowance is not None
                and allowance.era == self._budgets.era
                and allowance.spend(count, now, interval, most)
            ):
                self._budgets.charge(sender[0], Budget.MESSAGES, count)
                known.add(sender)
        return known

    def _keep_allowances(
        self,
        asked: set[str],
        sends: Mapping[Sender, int],
        wanted: Mapping[Spender, int],
        verdicts: Mapping[Spender, Verdict | None],
    ) -> None:
        """Store what is left of the budgets, except for users who were refused or are connected to other gateways too."""
        now = time.monotonic()
        sent: Counter[str] = Counter()
        for (user_id, _), count in sends.items():
            sent[user_id] += count
        for user_id in asked:
            spender = user_id, Budget.MESSAGES
            verdict, allowance = verdicts[spender], None
            if verdict is not None and verdict.one_gateway and verdict.allowed >= wanted[spender]:
                allowance = MessageAllowance(sent[user_id], now + verdict.whole_after, self._budgets.era)
            for connection in self._hub.of_user(user_id):
                connection.allowance = allowance

    def _budget_of(self, command: relay.Command | relay.SetStatus) -> Budget | None:
        return self._limited.get(type(command), self._changes)

    def _sort_out(self, commands: list[C], known: set[Sender], verdicts: Mapping[Spender, Verdict | None]) -> list[C]:
        """Refuse what goes beyond the verdicts; a user's first commands are the ones that pass."""
        now = time.monotonic()
        passed: list[C] = []
        used: Counter[Spender] = Counter()
        for command in commands:
            budget = self._budget_of(command)
            if budget is None or (budget is Budget.MESSAGES and (command.user_id, command.connection_id) in known):
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


def _limited(budget: Budget | None, budgets: UserBudgets) -> Budget | None:
    """Return `budget`, or None when it has no limit."""
    return budget if budget is not None and budgets.limits(budget) else None
