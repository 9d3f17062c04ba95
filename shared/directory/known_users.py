"""A cache of stored claims, so that a client's next request needs no statement to see that nothing has changed."""

import time
from collections.abc import Callable
from typing import Final

from shared.auth.principal import Principal
from shared.directory.directory import Directory

FRESH_SECONDS: Final = 60.0
MOST: Final = 20_000
"""Most cached users: about 10 MB."""


class KnownUsers:
    """Stores each user's claims at most once a minute while they stay the same. `clock`: monotonic seconds.

    That is correct whatever other processes see meanwhile: storing the same claims again changes nothing, except that the user
    gets back a username that its later holder gave up (docs/decisions/0032-what-a-replica-remembers-of-a-token.md).
    """

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._stored: dict[str, tuple[Principal, float]] = {}

    def knows(self, principal: Principal) -> bool:
        """Return whether these claims were stored within the last minute."""
        stored = self._stored.get(principal.user_id)
        return stored is not None and stored[1] > self._clock() and stored[0] == principal

    def note(self, principal: Principal) -> None:
        """Note that these claims are stored."""
        self._stored.pop(principal.user_id, None)
        self._stored[principal.user_id] = principal, self._clock() + FRESH_SECONDS
        if len(self._stored) > MOST:
            del self._stored[next(iter(self._stored))]

    async def ensure(self, principal: Principal) -> None:
        """Store the claims, unless they were stored within the last minute. Raises what asyncpg raises."""
        if not self.knows(principal):
            await self._directory.ensure(principal)
            self.note(principal)
