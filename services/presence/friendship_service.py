"""Friendships that begin and end: publishes at once what both users see of each other."""

from typing import Final, Literal

import structlog

from services.presence.announcer import Announcement, Announcer
from services.presence.follow_store import FollowStore, Relationship
from services.presence.friend_cache import FriendCache
from services.presence.leases import Clock
from services.presence.statuses import Statuses
from shared.protocol.relay import BlockChanged

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5


class FriendshipUnsettled(TimeoutError):
    """The friends of two users changed in every attempt to publish. A retry may succeed."""


class FriendshipService:
    """Changes follows and blocks, and publishes what both sides see of it. Every method may be repeated after a failure.

    While there is a block between two users who follow each other, each sees the other as offline since the block.
    """

    def __init__(
        self, follows: FollowStore, friends: FriendCache, announcer: Announcer, statuses: Statuses, clock: Clock
    ) -> None:
        self._follows = follows
        self._friends = friends
        self._announcer = announcer
        self._statuses = statuses
        self._clock = clock

    async def introduce(self, one: str, other: str) -> Relationship:
        """After `one` followed, or a block ended: send friends each other's status.

        Returns the relationship. With a block, `one` is told that the other is offline, and the other is told nothing.
        """
        await self._friends.forget(one, other)
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            relationship = await self._follows.relationship(one, other)
            if relationship.mutual and relationship.blockers:
                await self._announcer.publish([Announcement(other, [one], mode="hide")])
            if not relationship.friends or not await self._tell(one, other, versions, "tell"):
                return relationship
        raise FriendshipUnsettled(f"{one} and {other}")

    async def check(self, one: str, other: str) -> Relationship:
        """After a repeated follow: does nothing, unless a failure has left the cached lists wrong."""
        relationship = await self._follows.relationship(one, other)
        if relationship.mutual and not await self._are_cached(one, other):
            return await self.introduce(one, other)
        return relationship

    async def part(self, one: str, other: str, *, were_friends: bool) -> None:
        """After an unfollow: each sees the other go offline, and gets no more events about it.

        Nothing happens when they weren't friends before, unless a failure has left the cached lists wrong.
        """
        if not were_friends and not await self._are_cached(one, other):
            return
        await self._friends.forget(one, other)
        await self._announcer.publish(
            [Announcement(one, [other], mode="hide"), Announcement(other, [one], mode="hide")]
        )

    async def _are_cached(self, one: str, other: str) -> bool:
        """True when each is in the other's list of friends."""
        lists = await self._friends.of([one, other])
        return all(
            friend in lists[user].user_ids or friend in lists[user].absent
            for user, friend in ((one, other), (other, one))
        )

    async def on_block(self, change: BlockChanged) -> None:
        """Apply a block that began or ended. Changes may come in any order, and repeatedly."""
        if not await self._follows.set_block(change):
            return
        relationship = await self._follows.relationship(change.blocker, change.blocked)
        if change.active and relationship.blockers:
            await self._hide(change.blocker, change.blocked, live=relationship.mutual)
            relationship = await self._follows.relationship(change.blocker, change.blocked)
        if not relationship.blockers:
            await self._statuses.forget_block(change.blocker, change.blocked)
        if relationship.friends:
            await self.introduce(change.blocker, change.blocked)

    async def retell(self, one: str, other: str) -> None:
        """Publish again what each may see of the other: the true status for friends, offline for others."""
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions((one, other))
            friends = (await self._follows.relationship(one, other)).friends
            if not await self._tell(one, other, versions, "tell" if friends else "hide"):
                return
        raise FriendshipUnsettled(f"{one} and {other}")

    async def _hide(self, one: str, other: str, *, live: bool) -> None:
        """Show each to the other as offline from now on, unless there was a block before. With `live`, they are told at once."""
        now = self._clock() // 1000
        await self._announcer.publish(
            [
                Announcement(user, [viewer] if live else [], mode="block", block=(viewer, now))
                for user, viewer in ((one, other), (other, one))
            ]
        )

    async def _tell(self, one: str, other: str, versions: dict[str, str], mode: Literal["tell", "hide"]) -> bool:
        """Publish each one's status to the other. True when the friends of either changed meanwhile."""
        stale = await self._announcer.publish(
            [
                Announcement(one, [other], version=versions[one], mode=mode),
                Announcement(other, [one], version=versions[other], mode=mode),
            ]
        )
        return bool(stale)
