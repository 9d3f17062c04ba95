"""The store of push subscriptions, in PostgreSQL. A subscription is one browser of one user."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import uuid_utils

from shared.postgres import Pool, load_sql
from shared.protocol import limits

_PUT: Final = load_sql("services.notifier", "put_subscription")
_DROP_OLDEST: Final = load_sql("services.notifier", "drop_oldest_subscriptions")
_OF: Final = load_sql("services.notifier", "subscriptions_of")
_DELETE: Final = "DELETE FROM notifier.subscriptions WHERE user_id = $1::uuid AND ($2::text IS NULL OR endpoint = $2)"
_PRUNE: Final = "DELETE FROM notifier.subscriptions WHERE id = $1::uuid AND updated_at = $2"
_REVOKE: Final = """
DELETE FROM notifier.subscriptions WHERE user_id = $1::uuid AND COALESCE(token_issued_at, updated_at) <= $2
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
"""One writer for each user. Two concurrent ones could each see 19 browsers, and both add the twentieth."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser's endpoint at its push service, and the keys to encrypt messages with.

    `p256dh` is 65 bytes, `auth` 16; `key_id` names the VAPID key that the subscription was made for. `token_issued_at`: of
    the JWT that registered it. `updated_at`: when it was registered last.
    """

    id: str
    user_id: str
    endpoint: str
    p256dh: bytes
    auth: bytes
    key_id: str
    token_issued_at: datetime
    updated_at: datetime


class Subscriptions:
    """The table of subscriptions. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(
        self, subscription: Subscription, *, named_key_id: str | None = None, expires_at: datetime | None = None
    ) -> None:
        """Register a browser. A known endpoint is updated, and moved to this user. The user keeps the 20 newest.

        `subscription.key_id` is the current key's; `named_key_id` the one that the client says it subscribed with.
        """
        new = subscription
        values = (new.id, new.user_id, new.endpoint, new.p256dh, new.auth, new.key_id)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, new.user_id)
            await connection.execute(_PUT, *values, named_key_id, expires_at, new.token_issued_at)
            await connection.execute(_DROP_OLDEST, new.user_id, limits.MAX_PUSH_SUBSCRIPTIONS)

    async def delete(self, user_id: str, endpoint: str | None) -> None:
        """Delete a browser of this user, or all (None), if there are any."""
        await self._pool.execute(_DELETE, user_id, endpoint)

    async def prune(self, subscription: Subscription) -> None:
        """Delete a subscription that its push service has ended, unless it was registered again meanwhile."""
        await self._pool.execute(_PRUNE, subscription.id, subscription.updated_at)

    async def revoke(self, user_id: str, issued_until: datetime) -> None:
        """Delete the browsers that were registered with a token issued up to `issued_until`."""
        await self._pool.execute(_REVOKE, user_id, issued_until)

    async def of(self, user_ids: Iterable[str]) -> dict[str, list[Subscription]]:
        """Return user id → live subscriptions, for users who have any."""
        found: dict[str, list[Subscription]] = {}
        for row in await self._pool.fetch(_OF, list(user_ids)):
            found.setdefault(row["user_id"], []).append(Subscription(**row))
        return found


def new_id() -> str:
    """Return an id for a new subscription or device (UUIDv7)."""
    return str(uuid_utils.uuid7())


def instant_of(unix_seconds: float) -> datetime:
    """Return Unix seconds as a datetime in UTC."""
    return datetime.fromtimestamp(unix_seconds, UTC)
