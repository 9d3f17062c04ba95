"""REST: follows, friends, and the presence of friends."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query

from services.presence.follow_store import FollowStore
from services.presence.friend_cache import FriendCache
from services.presence.friendship_service import FriendshipService
from services.presence.schemas import Follow, Friend, PresenceQuery, PresenceStatus
from services.presence.statuses import Statuses
from shared.directory import Directory, Profile
from shared.protocol import keys
from shared.protocol.codec import is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import UserStatus
from shared.rest import CurrentUser, Page, decode_page, encode_page
from shared.rest.paging import PageParameters

RESTORING_SECONDS: Final = keys.LEASES_RESTORING_MS / 1000 + 2
"""How long a list of friends waits until all statuses are known. The sweep notices lost data within two seconds."""
ASK_AGAIN_SECONDS: Final = 0.5
MAX_WAITING: Final = 32
"""How many lists of friends may wait at the same time."""


class Endpoints:
    """The paths of follows, friends and presence."""

    def __init__(
        self,
        directory: Directory,
        follows: FollowStore,
        friends: FriendCache,
        friendships: FriendshipService,
        statuses: Statuses,
    ) -> None:
        self._directory = directory
        self._follows = follows
        self._friends = friends
        self._friendships = friendships
        self._statuses = statuses
        self._waiting = 0

    def router(self) -> APIRouter:
        """Return all paths, in the order of the protocol."""
        router = APIRouter(prefix="/chat", tags=["presence"])
        router.add_api_route("/follows/{username:path}", self.follow, methods=["PUT"])
        router.add_api_route("/follows/{username:path}", self.unfollow, methods=["DELETE"])
        router.add_api_route("/friends", self.friends, methods=["GET"])
        router.add_api_route("/presence", self.presence, methods=["GET"])
        return router

    async def follow(self, username: str, user: CurrentUser) -> Follow:
        """Follow a user, by username or id. Two who follow each other are friends: they see each other's status."""
        other = await self._user(username)
        if other.user_id == user.user_id:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "You cannot follow yourself")
        since, is_new = await self._follows.follow(user.user_id, other.user_id)
        if is_new:
            relationship = await self._friendships.introduce(user.user_id, other.user_id)
        else:
            relationship = await self._friendships.check(user.user_id, other.user_id)
        return Follow.of(other, since, friend=relationship.mutual)

    async def unfollow(self, username: str, user: CurrentUser) -> Follow:
        """Unfollow a user, by username or id. From now on, both see each other offline."""
        other = await self._user(username)
        before = await self._follows.relationship(user.user_id, other.user_id)
        await self._follows.unfollow(user.user_id, other.user_id)
        await self._friendships.part(user.user_id, other.user_id, were_friends=before.mutual)
        return Follow.of(other, None, friend=False)

    async def friends(self, user: CurrentUser, query: PageParameters) -> Page[Friend]:
        """List friends with their status, in the order of their ids.

        A friend with a block is shown as offline since the block.
        """
        after = None if query.page is None else _uuid(decode_page(query.page), "page")
        found = await self._follows.friends_page(user.user_id, after, query.limit + 1)
        shown = list(found)[: query.limit]
        profiles = await self._directory.profiles(shown)
        statuses = await self._known(user.user_id, {friend: found[friend] for friend in shown})
        items = [Friend.with_profile(profiles[friend], statuses[friend]) for friend in shown if friend in profiles]
        return Page(items=items, nextPage=encode_page(shown[-1]) if len(found) > query.limit else None)

    async def presence(self, user: CurrentUser, query: Annotated[PresenceQuery, Query()]) -> Page[PresenceStatus]:
        """Return the statuses of the given users who are friends, in the given order.

        Others are left out. A friend with a block is shown as offline since the block. For some seconds after Redis has lost
        its data, friends whose status isn't known yet are left out too.
        """
        asked = [_uuid(text.lower(), "userId") for text in query.userId]
        friends = (await self._friends.of([user.user_id]))[user.user_id]
        known = dict.fromkeys(friends.user_ids, False) | dict.fromkeys(friends.absent, True)
        shown = {friend: known[friend] for friend in asked if friend in known}
        statuses = await self._seen_by(user.user_id, shown)
        return Page(items=[PresenceStatus.of(statuses[friend]) for friend in shown if friend in statuses])

    async def _known(self, user_id: str, shown: dict[str, bool]) -> dict[str, UserStatus]:
        """Return the same as `_seen_by`, for all users.

        When Redis has lost the leases, it waits until gateways have renewed them. Raises ProtocolError (unavailable) when
        that takes too long, or too many wait already.
        """
        statuses = await self._seen_by(user_id, shown)
        if len(statuses) == len(shown):
            return statuses
        if self._waiting >= MAX_WAITING:
            raise ProtocolError(ErrorCode.UNAVAILABLE)
        self._waiting += 1
        try:
            async with asyncio.timeout(RESTORING_SECONDS):
                while len(statuses) < len(shown):
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                    statuses = await self._seen_by(user_id, shown)
        except TimeoutError:
            raise ProtocolError(ErrorCode.UNAVAILABLE) from None
        finally:
            self._waiting -= 1
        return statuses

    async def _seen_by(self, user_id: str, shown: dict[str, bool]) -> dict[str, UserStatus]:
        """Return friend → the status that the user sees. `shown` tells which friends have a block."""
        statuses = await self._statuses.of([friend for friend, blocked in shown.items() if not blocked])
        hidden = [friend for friend, blocked in shown.items() if blocked]
        return statuses | await self._statuses.behind_block(hidden, user_id)

    async def _user(self, username: str) -> Profile:
        profile = await self._directory.find_named(username)
        if profile is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND)
        return profile


def _uuid(text: str, name: str) -> str:
    if not is_uuid(text):
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, f"{name}: must be a UUID with hyphens")
    return text
