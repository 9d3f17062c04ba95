"""The store of native devices, in PostgreSQL. A device is one installation of an app, known to FCM or APNs by a token."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.postgres import Pool, load_sql
from shared.protocol import limits

_PUT: Final = load_sql("services.notifier", "put_device")
_DROP_OLDEST: Final = load_sql("services.notifier", "drop_oldest_devices")
_OF: Final = load_sql("services.notifier", "devices_of")
_DELETE: Final = "DELETE FROM notifier.devices WHERE user_id = $1::uuid AND platform = $2 AND token = $3"
_DELETE_ALL: Final = "DELETE FROM notifier.devices WHERE user_id = $1::uuid"
_PRUNE: Final = "DELETE FROM notifier.devices WHERE id = $1::uuid AND updated_at = $2"
_REVOKE: Final = "DELETE FROM notifier.devices WHERE user_id = $1::uuid AND token_issued_at <= $2"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
"""One writer for each user. Two concurrent ones could each see 19 devices, and both add the twentieth."""


class Platform(StrEnum):
    """The push service of a native device."""

    FCM = "fcm"
    APNS = "apns"


@dataclass(frozen=True, slots=True)
class Device:
    """An app on a device. `token` is what FCM or APNs gave the app; `app` its bundle id, or None for the operator's default.

    `token_issued_at`: of the JWT that registered it. `updated_at`: when it was registered last.
    """

    id: str
    user_id: str
    platform: Platform
    token: str
    app: str | None
    token_issued_at: datetime
    updated_at: datetime


class Devices:
    """The table of native devices. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, device: Device) -> None:
        """Register a device. A known token is updated, and moved to this user. The user keeps the 20 newest."""
        values = (device.id, device.user_id, device.platform, device.token, device.app, device.token_issued_at)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, device.user_id)
            await connection.execute(_PUT, *values)
            await connection.execute(_DROP_OLDEST, device.user_id, limits.MAX_PUSH_SUBSCRIPTIONS)

    async def delete(self, user_id: str, platform: Platform, token: str) -> None:
        """Delete a device of this user, if it is one."""
        await self._pool.execute(_DELETE, user_id, platform, token)

    async def delete_all(self, user_id: str) -> None:
        """Delete all devices of this user."""
        await self._pool.execute(_DELETE_ALL, user_id)

    async def prune(self, device: Device) -> None:
        """Delete a device whose token its push service has ended, unless it was registered again meanwhile."""
        await self._pool.execute(_PRUNE, device.id, device.updated_at)

    async def revoke(self, user_id: str, issued_until: datetime) -> None:
        """Delete the devices that were registered with a token issued up to `issued_until`."""
        await self._pool.execute(_REVOKE, user_id, issued_until)

    async def of(self, user_ids: Iterable[str], platforms: Sequence[Platform]) -> dict[str, list[Device]]:
        """Return user id → devices on these platforms, for users who have any."""
        found: dict[str, list[Device]] = {}
        for row in await self._pool.fetch(_OF, list(user_ids), list(platforms)):
            device = Device(**{**row, "platform": Platform(row["platform"])})
            found.setdefault(device.user_id, []).append(device)
        return found
