"""REST: follows, friends, and the presence of friends."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.presence.absences import Absences
from services.presence.follows import Follows
from services.presence.friends import Friends
from services.presence.friendships import Friendships
from services.presence.statuses import Statuses
from shared.directory import Directory, Profile
from shared.protocol import limits
from shared.protocol.codec import instant, is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Status, UserStatus
from shared.rest import CurrentUser, Page, decode_page, encode_page
from shared.rest.paging import PageParameters


class Follow(BaseModel):
    """Whether the caller follows a user, and since when; friends follow each other, and look so behind a block too."""

    userId: str  # noqa: N815 - the contract's names
    username: str
    following: bool
    isFriend: bool  # noqa: N815
    followedAt: str | None  # noqa: N815


class FriendStatus(BaseModel):
    """Whether a friend is online, with what status, and the last sign of life (RFC 3339), null when there was none."""

    userId: str  # noqa: N815
    isOnline: bool  # noqa: N815
    status: Status
    lastSeen: str | None  # noqa: N815


class Friend(FriendStatus):
    """A friend with profile."""

    username: str
    displayName: str  # noqa: N815
    avatar: str | None


class PresenceQuery(BaseModel):
    """Whose presence."""

    userId: list[str] = Field(min_length=1, max_length=limits.MAX_PRESENCE_QUERY)  # noqa: N815


class Interface:
    """What the paths need."""

    def __init__(
        self,
        directory: Directory,
        follows: Follows,
        friends: Friends,
        friendships: Friendships,
        *,
        statuses: Statuses,
        absences: Absences,
    ) -> None:
        self._directory = directory
        self._follows = follows
        self._friends = friends
        self._friendships = friendships
        self._statuses = statuses
        self._absences = absences

    async def follow(self, user_id: str, username: str) -> Follow:
        """Follow a user. Repeating it is no error, and tells friends each other's status again."""
        other = await self._user(username)
        if other.user_id == user_id:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "You cannot follow yourself")
        since = await self._follows.follow(user_id, other.user_id)
        bond = await self._friendships.introduce(user_id, other.user_id)
        return _follow(other, since, friend=bond.mutual)

    async def unfollow(self, user_id: str, username: str) -> Follow:
        """Unfollow a user. Repeating it is no error."""
        other = await self._user(username)
        await self._follows.unfollow(user_id, other.user_id)
        await self._friendships.part(user_id, other.user_id)
        return _follow(other, None, friend=False)

    async def friends(self, user_id: str, limit: int, after: str | None) -> Page[Friend]:
        """A page of the user's friends, in the order of their ids."""
        found = await self._follows.friends_page(user_id, after, limit + 1)
        shown = list(found)[:limit]
        profiles = await self._directory.profiles(shown)
        statuses = await self._seen_by(user_id, {friend: found[friend] for friend in shown})
        items = [_friend(profiles[friend], statuses[friend]) for friend in shown if friend in profiles]
        return Page(items=items, nextPage=encode_page(shown[-1]) if len(found) > limit else None)

    async def presence(self, user_id: str, user_ids: list[str]) -> Page[FriendStatus]:
        """The statuses of those of some users who are friends, in the order asked for."""
        circle = (await self._friends.of([user_id]))[user_id]
        known = dict.fromkeys(circle.user_ids, False) | dict.fromkeys(circle.absent, True)
        shown = {asked: known[asked] for asked in user_ids if asked in known}
        statuses = await self._seen_by(user_id, shown)
        return Page(items=[_status(statuses[friend]) for friend in shown])

    async def _seen_by(self, user_id: str, shown: dict[str, bool]) -> dict[str, UserStatus]:
        """Friend → status as the user sees it, given which of them are shown as absent."""
        statuses = await self._statuses.of([friend for friend, absent in shown.items() if not absent])
        return statuses | await self._absences.of([friend for friend, absent in shown.items() if absent], user_id)

    async def _user(self, username: str) -> Profile:
        # PostgreSQL can't store U+0000, so nobody has such a name.
        profile = None if "\0" in username else await self._directory.find_by_username(username)
        if profile is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND)
        return profile


def create_router(interface: Interface) -> APIRouter:
    """The paths of presence."""
    router = APIRouter(prefix="/chat", tags=["presence"])

    @router.put("/follows/{username:path}")
    async def follow(username: str, user: CurrentUser) -> Follow:
        """Follow a user. Two who follow each other are friends: they see each other's status."""
        return await interface.follow(user.user_id, username)

    @router.delete("/follows/{username:path}")
    async def unfollow(username: str, user: CurrentUser) -> Follow:
        """Unfollow a user."""
        return await interface.unfollow(user.user_id, username)

    @router.get("/friends")
    async def friends(user: CurrentUser, query: PageParameters) -> Page[Friend]:
        """Friends with their status. Who is behind a block looks absent."""
        after = None if query.page is None else _uuid(decode_page(query.page), "page")
        return await interface.friends(user.user_id, query.limit, after)

    @router.get("/presence")
    async def presence(user: CurrentUser, query: Annotated[PresenceQuery, Query()]) -> Page[FriendStatus]:
        """Statuses of some users: of those who are friends, the others are left out. Behind a block a friend looks absent."""
        asked = [_uuid(text.lower(), "userId") for text in query.userId]
        return await interface.presence(user.user_id, asked)

    return router


def _uuid(text: str, name: str) -> str:
    if not is_uuid(text):
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, f"{name}: not a UUID")
    return text


def _follow(profile: Profile, since: datetime | None, *, friend: bool) -> Follow:
    return Follow(
        userId=profile.user_id,
        username=profile.username,
        following=since is not None,
        isFriend=friend,
        followedAt=None if since is None else instant(since.astimezone(UTC)),
    )


def _status(status: UserStatus) -> FriendStatus:
    return FriendStatus(
        userId=status.user_id, isOnline=status.is_online, status=status.status, lastSeen=status.last_seen
    )


def _friend(profile: Profile, status: UserStatus) -> Friend:
    return Friend(
        **_status(status).model_dump(),
        username=profile.username,
        displayName=profile.display_name,
        avatar=profile.avatar,
    )
