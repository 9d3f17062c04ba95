"""Friendships that begin and end: who is told what of whom, at once."""

from typing import Final, Literal

import structlog

from services.presence.announcer import Announcement, Announcer
from services.presence.follows import Bond, Follows
from services.presence.friends import Friends
from shared.protocol.relay import BlockChanged

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5


class FriendshipsUnsettled(TimeoutError):
    """Two users' friends change faster than they can be told. The same again may succeed."""


class Friendships:
    """Changes of follows and blocks, with what both sides see of it. Every method may be repeated after a failure."""

    def __init__(self, follows: Follows, friends: Friends, announcer: Announcer) -> None:
        self._follows = follows
        self._friends = friends
        self._announcer = announcer

    async def introduce(self, one: str, other: str) -> Bond:
        """After a follow or the end of a block: friends learn each other's status. Returns what the two are now."""
        await self._friends.forget(one, other)
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            bond = await self._follows.bond(one, other)
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
        if change.active:
            await self._hide(change.blocker, change.blocked)
        if (await self._follows.bond(change.blocker, change.blocked)).friends:
            await self.introduce(change.blocker, change.blocked)

    async def retell(self, one: str, other: str) -> None:
        """Say again what each may know of the other: friends the truth, others that the user is offline."""
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            friends = (await self._follows.bond(one, other)).friends
            if not await self._tell(one, other, versions, "tell" if friends else "hide"):
                return
        raise FriendshipsUnsettled(f"{one} and {other}")

    async def _hide(self, blocker: str, blocked: str) -> None:
        """Show live friends each other as offline: a block must look like absence.

        Nothing is said when they weren't friends, or when the other side blocks already and thus was told before.
        """
        bond = await self._follows.bond(blocker, blocked)
        if not bond.mutual or bond.blockers != {blocker}:
            await self._friends.forget(blocker, blocked)
            return
        await self._announcer.publish(
            [Announcement(blocker, [blocked], mode="part"), Announcement(blocked, [blocker], mode="part")]
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
