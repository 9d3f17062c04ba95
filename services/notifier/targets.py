"""Targets of pushes: the browsers and the native devices of a user, together."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.notifier.devices import Device, Devices, Platform
from services.notifier.subscriptions import Subscription, Subscriptions, instant_of

Target = Subscription | Device


class TargetRefused(ValueError):
    """Nothing may be sent to the device. The text says why."""


@dataclass(frozen=True, slots=True)
class UserTargets:
    """The targets of some users, read at one moment."""

    by_user: dict[str, list[Target]]

    def of(self, user_id: str, revoked_until: float) -> list[Target]:
        """Return the user's targets without those registered with a token issued up to `revoked_until` (Unix seconds)."""
        targets = self.by_user.get(user_id, [])
        if not revoked_until:
            return targets
        return [target for target in targets if target.token_issued_at.timestamp() > revoked_until]

    def find(self, user_id: str, target_id: str, revoked_until: float) -> Target | None:
        """Return one of these targets, or None."""
        return next((target for target in self.of(user_id, revoked_until) if target.id == target_id), None)


class Targets:
    """Both stores. `platforms`: the configured ones; devices of other platforms get nothing."""

    def __init__(self, subscriptions: Subscriptions, devices: Devices, platforms: Sequence[Platform]) -> None:
        self._subscriptions = subscriptions
        self._devices = devices
        self._platforms = platforms

    async def of(self, user_ids: Collection[str]) -> UserTargets:
        """Return the targets of these users. Raises what asyncpg raises, as the other methods do."""
        if not user_ids:
            return UserTargets({})
        browsers, devices = await asyncio.gather(self._subscriptions.of(user_ids), self._devices_of(user_ids))
        return UserTargets({user_id: [*browsers.get(user_id, ()), *devices.get(user_id, ())] for user_id in user_ids})

    async def prune(self, target: Target) -> None:
        """Delete a target that its push service has ended, unless it was registered again meanwhile."""
        if isinstance(target, Subscription):
            await self._subscriptions.prune(target)
        else:
            await self._devices.prune(target)

    async def revoke(self, user_id: str, issued_until: float) -> None:
        """Delete the targets that were registered with a token issued up to `issued_until` (Unix seconds)."""
        until = instant_of(issued_until)
        await asyncio.gather(self._subscriptions.revoke(user_id, until), self._devices.revoke(user_id, until))

    async def _devices_of(self, user_ids: Collection[str]) -> dict[str, list[Device]]:
        return await self._devices.of(user_ids, self._platforms) if self._platforms else {}
