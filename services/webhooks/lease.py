"""One replica posts to an endpoint at a time: it holds the endpoint's lease, and others take over when it ends."""

from typing import Final

from shared.postgres import Pool, load_sql

_LEASE: Final = load_sql("services.webhooks", "lease")
_RELEASE: Final = "UPDATE webhooks.leases SET ends_at = now() WHERE endpoint = $1 AND owner = $2"
SECONDS: Final = 10.0
RENEW_SECONDS: Final = 3.0


class Lease:
    """The lease of an endpoint. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool, endpoint: str, owner: str) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._owner = owner

    async def hold(self) -> bool:
        """Take or renew it, for 10 s. False while somebody else has it."""
        row = await self._pool.fetchrow(_LEASE, self._endpoint, self._owner, SECONDS)
        return row is not None

    async def release(self) -> None:
        """Let others have it at once."""
        await self._pool.execute(_RELEASE, self._endpoint, self._owner)
