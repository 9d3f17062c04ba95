"""All data of a user in the notifier's schema, for export and erasure."""

from datetime import datetime
from typing import Final

from shared.postgres import Pool, load_sql

_ERASE: Final = load_sql("services.notifier", "erase_user")
_DEVICES: Final = """
SELECT 'web' AS platform, endpoint AS address, created_at FROM notifier.subscriptions WHERE user_id = $1::uuid
UNION ALL
SELECT platform, token, created_at FROM notifier.devices WHERE user_id = $1::uuid
ORDER BY created_at
"""


class UserData:
    """The tables of the notifier, by user. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def erase(self, user_id: str) -> None:
        """Delete the user's devices, settings and mutes. Pushes that still wait find no device, and are not sent."""
        await self._pool.execute(_ERASE, user_id)

    async def devices(self, user_id: str) -> list[tuple[str, str, datetime]]:
        """Return (platform, endpoint or token, time of the first registration) of each device, oldest first."""
        return [tuple(row) for row in await self._pool.fetch(_DEVICES, user_id)]
