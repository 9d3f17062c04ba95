"""The lease of an endpoint: only its holder posts to the endpoint, and others take over when it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from shared.postgres import Pool, load_sql

_LEASE: Final = load_sql("services.webhooks", "lease")
_RELEASE: Final = "UPDATE webhooks.leases SET ends_at = now() WHERE endpoint = $1 AND owner = $2"
SECONDS: Final = 10.0
RENEW_SECONDS: Final = 3.0
MARGIN_SECONDS: Final = 2.0
"""A holder that couldn't renew its lease stops this long before it ends, so that two replicas never post at the same time."""


class Lease:
    """The lease of an endpoint. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, endpoint: str, owner: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._owner = owner
        self._clock = clock
        self._until = 0.0

    @property
    def remaining_seconds(self) -> float:
        """Return how long this replica may go on posting without a renewal."""
        return max(0.0, self._until - MARGIN_SECONDS - self._clock())

    async def take(self) -> bool:
        """Take or renew the lease, for 10 s. False while another replica has it."""
        # Counted from before the statement, because PostgreSQL counts from a later time.
        asked_at = self._clock()
        row = await self._pool.fetchrow(_LEASE, self._endpoint, self._owner, SECONDS)
        if row is not None:
            self._until = asked_at + SECONDS
        return row is not None

    async def renew(self) -> bool:
        """Renew the lease while it is held. Raises TimeoutError, early enough to stop, when PostgreSQL doesn't answer."""
        async with asyncio.timeout(self.remaining_seconds):
            return await self.take()

    async def release(self) -> None:
        """End the lease, so that others can take it at once."""
        await self._pool.execute(_RELEASE, self._endpoint, self._owner)
