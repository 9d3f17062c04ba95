"""First connections: those of users whose friends Redis doesn't have. This gateway reads the friends, then reports them."""

import asyncio
from collections.abc import Callable
from typing import Final

from services.gateway.registry.friends import FRIENDS_BATCH
from services.gateway.uplink.direct_presence import DirectPresence, Report
from shared.parts import parts_by_weight
from shared.protocol import relay

FRIENDS_PER_CALL: Final = 1_000
"""Friends that one script caches, beyond those of its last user."""

Arrival = tuple[relay.Connected, str, relay.FriendList | None]
"""A new connection, the version of its user's friends, and these friends if they were read already."""


class FirstConnections:
    """Reports first connections, those that come while a statement runs together. `leave`: hands one to presence itself.

    They don't wait for other reports, nor others for them: reports of one connection may overtake each other
    (docs/decisions/0042-gateways-run-a-script-of-presence.md).
    """

    def __init__(self, direct: DirectPresence, leave: Callable[[Report], None]) -> None:
        self._direct = direct
        self._leave = leave
        self._waiting: asyncio.Queue[Arrival] = asyncio.Queue()
        self._working = False

    @property
    def idle(self) -> bool:
        """True when all were reported, or handed to presence."""
        return self._waiting.empty() and not self._working

    def __len__(self) -> int:
        return self._waiting.qsize()

    def add(self, connected: relay.Connected, version: str, friends: relay.FriendList | None = None) -> None:
        """Report a connection soon. `version`: that of its user's friends (`RecoveryResult.missing_friends`).

        `friends`: these friends, if they were read already.
        """
        self._waiting.put_nowait((connected, version, friends))

    async def run(self) -> None:
        """Report waiting connections. Never returns."""
        while True:
            batch = [await self._waiting.get()]
            self._working = True
            try:
                while len(batch) < FRIENDS_BATCH and not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                await self._report(batch)
            finally:
                self._working = False

    async def _report(self, batch: list[Arrival]) -> None:
        found = {friends.user_id: friends for _, _, friends in batch if friends is not None}
        unread = {connected.user_id: version for connected, version, _ in batch if connected.user_id not in found}
        if unread:
            found |= await self._direct.read_friends(unread)
        for connected, _, _ in batch:
            if connected.user_id not in found:
                self._leave(connected)
        known = [connected for connected, _, _ in batch if connected.user_id in found]
        for part in parts_by_weight(known, lambda each: len(found[each.user_id].members), FRIENDS_PER_CALL):
            friends = {connected.user_id: found[connected.user_id] for connected in part}
            for left in await self._direct.carry_out(part, list(friends.values())):
                self._leave(left)
