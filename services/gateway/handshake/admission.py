"""Admission: limits connections, handshakes of one user, and handshakes of all. A gateway that drains admits nobody."""

import asyncio
from typing import Final

from services.gateway.session.hub import Hub
from services.gateway.user_budgets import Budget, UserBudgets, too_many_handshakes
from shared.pace import Pace
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.limits import MAX_CONNECTIONS_PER_USER

BURST_SECONDS: Final = 2.0
RESERVED: Final = 0.5
"""The share of the burst that is kept for clients with a cursor: they reconnect, and cost less than new ones."""
RETRY_SECONDS: Final = 5.0
USER_HANDSHAKES_PER_SECOND: Final = 10.0
"""A user's burst is as large as the limit of connections; faster handshakes wait."""
MAX_WAIT_SECONDS: Final = 5.0
"""Longest wait for one user's turn. A user's budget for a minute is used up before waits get longer."""


class Admission:
    """A connection limit, a budget for each user, and a token bucket. `now` is monotonic seconds."""

    def __init__(self, hub: Hub, budgets: UserBudgets, max_connections: int, handshakes_per_second: float) -> None:
        self._hub = hub
        self._budgets = budgets
        self._max_connections = max_connections
        self._per_second = handshakes_per_second
        self._tokens = self._most = max(handshakes_per_second * BURST_SECONDS, 1 / (1 - RESERVED))
        self._filled_at = 0.0
        self._pace = Pace(USER_HANDSHAKES_PER_SECOND, MAX_CONNECTIONS_PER_USER, MAX_WAIT_SECONDS)
        self.draining = False

    async def admit(self, user_id: str, now: float, *, returning: bool) -> bool:
        """Let one handshake pass. False when it isn't counted yet against the user's budget.

        Then the caller has it counted: with `count`, or with the script that registers the connection, which costs nothing more.
        Raises ProtocolError with `retryAfter`: unavailable, or rate_limit_exceeded when the user made too many.
        """
        self._refuse_if_closed()
        is_limited = self._budgets.is_limited(Budget.HANDSHAKES)
        # A user's handshakes must not come all at once: each costs a replay and presence events.
        wait = min(self._pace.wait(user_id, now), MAX_WAIT_SECONDS) if is_limited else 0.0
        if wait:
            # What waits is counted first: a user with too many would hold sockets meanwhile, and use up the gateway's handshakes.
            await self.count(user_id)
            await asyncio.sleep(wait)
            self._refuse_if_closed()
        self._take(now + wait, returning=returning)
        return bool(wait) or not is_limited

    async def count(self, user_id: str) -> None:
        """Take one of the user's handshakes, which `admit` said isn't counted yet.

        While Redis is away nothing is counted, and nobody gets in anyway. Raises ProtocolError when they are used up.
        """
        grant = (await self._budgets.take({(user_id, Budget.HANDSHAKES): 1}))[user_id, Budget.HANDSHAKES]
        if grant is not None and not grant.allowed:
            raise too_many_handshakes(grant.retry_after)

    def give_back(self) -> None:
        """Return what `admit` took of the gateway's handshakes: the user had none left."""
        self._tokens = min(self._most, self._tokens + 1.0)

    def _refuse_if_closed(self) -> None:
        if self.draining:
            raise _unavailable("The gateway is shutting down", 1.0)
        if len(self._hub) >= self._max_connections:
            raise _unavailable("The gateway is full", RETRY_SECONDS)

    def _take(self, now: float, *, returning: bool) -> None:
        if not self._per_second:
            return
        # A handshake that waited has an earlier time than those that came meanwhile.
        now = max(now, self._filled_at)
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        needed = 1.0 if returning else 1.0 + self._most * RESERVED
        if self._tokens < needed:
            raise _unavailable("Too many clients connect at once", max(1.0, (needed - self._tokens) / self._per_second))
        self._tokens -= 1.0


def _unavailable(message: str, retry_after: float) -> ProtocolError:
    return ProtocolError(ErrorCode.UNAVAILABLE, message, retry_after=retry_after)
