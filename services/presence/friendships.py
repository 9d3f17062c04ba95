"""Friendships that begin and end: who is told what of whom, at once."""

from typing import Final, Literal

import structlog

from services.presence.absences import Absences
from services.presence.announcer import Announcement, Announcer
from services.presence.follows import Bond, Follows
from services.presence.friends import Friends
from services.presence.leases import Clock
from shared.protocol.relay import BlockChanged

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5


class FriendshipsUnsettled(TimeoutError):
    """Two users' friends change faster than they can be told. The same again may succeed."""


class Friendships:
    """Changes of follows and blocks, with what both sides see of it. Every method may be repeated after a failure.

    While a block stands between two who follow each other, each sees the other as a friend who is absent.
    """

    def __init__(
        self, follows: Follows, friends: Friends, announcer: Announcer, absences: Absences, clock: Clock
    ) -> None:
        self._follows = follows
        self._friends = friends
        self._announcer = announcer
        self._absences = absences
        self._clock = clock

    async def introduce(self, one: str, other: str) -> Bond:
        """After a follow of `one` or the end of a block: friends learn each other's status. Returns what the two are now.

        Behind a block `one` is answered as if the other were absent; the other, who is absent to it, hears nothing.
        """
        await self._friends.forget(one, other)
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            bond = await self._follows.bond(one, other)
            if bond.mutual and bond.blockers:
                await self._announcer.publish([Announcement(other, [one], mode="hide")])
            if not bond.friends or not await self._tell(one, other, versions, "tell"):
                return bond
        raise FriendshipsUnsettled(f"{one} and {other}")

    async def part(self, one: str, other: str) -> None:
        """After an unfollow: neither hears more of the other."""
        await self._friends.forget(one, other)

    async def on_block(self, change: BlockChanged) -> None:
        """After a block began or ended, in any order and any number of times."""
        if not await self._follows.set_block(change):
            return
        bond = await self._follows.bond(change.blocker, change.blocked)
        if change.active and bond.blockers:
            await self._hide(change.blocker, change.blocked, live=bond.mutual)
            bond = await self._follows.bond(change.blocker, change.blocked)
        if not bond.blockers:
            await self._absences.end(change.blocker, change.blocked)
        if bond.friends:
            await self.introduce(change.blocker, change.blocked)

    async def retell(self, one: str, other: str) -> None:
        """Say again what each may know of the other: friends the truth, others that the user is offline."""
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            friends = (await self._follows.bond(one, other)).friends
            if not await self._tell(one, other, versions, "tell" if friends else "hide"):
                return
        raise FriendshipsUnsettled(f"{one} and {other}")

    async def _hide(self, one: str, other: str, *, live: bool) -> None:
        """Let each see the other as absent from now on, unless a block did so before; `live` tells them at once."""
        now = self._clock() // 1000
        await self._announcer.publish(
            [
                Announcement(user, [viewer] if live else [], mode="part", parting=(viewer, now))
                for user, viewer in ((one, other), (other, one))
            ]
        )

    async def _tell(self, one: str, other: str, versions: dict[str, str], mode: Literal["tell", "hide"]) -> bool:
        """Tell each of the other's status. True when the friends of either changed meanwhile."""
        stale = await self._announcer.publish(
            [
                Announcement(one, [other], version=versions[one], mode=mode),
                Announcement(other, [one], version=versions[other], mode=mode),
            ]
        )
        return bool(stale)
