"""Limits commands: each is counted against a budget of its user."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

from services.gateway.session.hub import Hub
from services.gateway.session.message_bucket import MessageBucket
from services.gateway.uplink.error_replies import ErrorReplies
from services.gateway.user_budgets import BucketKey, Budget, Grant, UserBudgets
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

    Messages pass without asking Redis while the gateway's copy of their user's bucket has enough.

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
        wanted: Counter[BucketKey] = Counter()
        sends: Counter[Sender] = Counter()
        for command in commands:
            budget = self._limited.get(type(command), self._changes)
            if budget is Budget.MESSAGES:
                sends[command.user_id, command.connection_id] += 1
            elif budget is not None:
                wanted[command.user_id, budget] += 1
        local = self._take_local(sends, time.monotonic()) if sends else set()
        for sender, count in sends.items():
            if sender not in local:
                wanted[sender[0], Budget.MESSAGES] += count
        if not wanted:
            return commands
        grants = await self._budgets.take(wanted)
        self._keep_buckets({user_id for user_id, _ in sends.keys() - local}, sends, wanted, grants)
        if all(grant is not None and grant.allowed >= wanted[key] for key, grant in grants.items()):
            return commands
        return self._sort_out(commands, local, grants)

    def _take_local(self, sends: Mapping[Sender, int], now: float) -> set[Sender]:
        """Return the senders whose messages pass without asking Redis."""
        local: set[Sender] = set()
        interval, burst = self._budgets.interval_and_burst(Budget.MESSAGES)
        for sender, count in sends.items():
            connection = self._hub.by_id.get(sender[1])
            bucket = None if connection is None else connection.message_bucket
            if (
                bucket is not None
                and bucket.generation == self._budgets.generation
                and bucket.take(count, now, interval, burst)
            ):
                self._budgets.charge(sender[0], Budget.MESSAGES, count)
                local.add(sender)
        return local

    def _keep_buckets(
        self,
        asked: set[str],
        sends: Mapping[Sender, int],
        wanted: Mapping[BucketKey, int],
        grants: Mapping[BucketKey, Grant | None],
    ) -> None:
        """Keep a copy of the buckets, except for users who were refused or are connected to other gateways too."""
        now = time.monotonic()
        sent: Counter[str] = Counter()
        for (user_id, _), count in sends.items():
            sent[user_id] += count
        for user_id in asked:
            key = user_id, Budget.MESSAGES
            grant, bucket = grants[key], None
            if grant is not None and grant.one_gateway and grant.allowed >= wanted[key]:
                bucket = MessageBucket(sent[user_id], now + grant.full_after, self._budgets.generation)
            for connection in self._hub.of_user(user_id):
                connection.message_bucket = bucket

    def _budget_of(self, command: relay.Command | relay.SetStatus) -> Budget | None:
        return self._limited.get(type(command), self._changes)

    def _sort_out(self, commands: list[C], local: set[Sender], grants: Mapping[BucketKey, Grant | None]) -> list[C]:
        """Refuse what goes beyond the grants; a user's first commands are the ones that pass."""
        now = time.monotonic()
        passed: list[C] = []
        used: Counter[BucketKey] = Counter()
        for command in commands:
            budget = self._budget_of(command)
            if budget is None or (budget is Budget.MESSAGES and (command.user_id, command.connection_id) in local):
                passed.append(command)
                continue
            grant = grants[command.user_id, budget]
            if grant is None:
                self._error_replies.send_failed([command], "redis unavailable")
            elif used[command.user_id, budget] < grant.allowed:
                used[command.user_id, budget] += 1
                passed.append(command)
            else:
                self._error_replies.rate_limited(command, budget, grant.retry_after, now)
        return passed


def _limited(budget: Budget | None, budgets: UserBudgets) -> Budget | None:
    """Return `budget`, or None when it has no limit."""
    return budget if budget is not None and budgets.is_limited(budget) else None
