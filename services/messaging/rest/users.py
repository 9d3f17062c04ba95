"""REST: the user's own profile, other users, and blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.messaging.rest.schemas import BlockBody, ProfileChange, UserQuery
from services.messaging.stores.blocks import BlockedUser, Blocks
from services.messaging.stores.people import People
from shared.directory import Directory, Profile
from shared.protocol import limits
from shared.protocol.codec import instant, is_uuid
from shared.protocol.conversations import UserProfile
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser, Page, decode_page, encode_page
from shared.rest.json import page_response
from shared.rest.paging import PageParameters
from shared.rest.profiles import ProfileBody
from shared.rest.rate_limit import RateLimit


@dataclass(frozen=True, slots=True)
class SearchRules:
    """How often a user may search (None: without limit), and whether the beginning of a username finds its user."""

    rate: RateLimit | None
    by_prefix: bool


class UserEndpoints:
    """The paths of users.

    `search`: the rules of searches. `on_change` is called after a user has changed the own profile.
    """

    def __init__(
        self, directory: Directory, people: People, blocks: Blocks, search: SearchRules, on_change: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._people = people
        self._blocks = blocks
        self._search = search
        self._on_change = on_change

    def add_to(self, router: APIRouter) -> None:
        """Add the paths, in the order of the protocol."""
        add: Any = router.add_api_route
        add("/users", self.find, methods=["GET"], response_model=Page[ProfileBody])
        add("/users/me", self.me, methods=["GET"])
        add("/users/me", self.change_me, methods=["PATCH"])
        add("/blocks", self.blocked, methods=["GET"])

    async def find(self, user: CurrentUser, query: Annotated[UserQuery, Query()]) -> Response:
        """Find the user with a name, or at most 20 other users whose names begin with a text.

        Blocked users don't find each other.
        """
        if query.prefix is not None and not self._search.by_prefix:
            raise ProtocolError(ErrorCode.FORBIDDEN, "This deployment finds users by whole names only: give username")
        if self._search.rate is not None:
            await self._search.rate.require(user.user_id, "Too many searches")
        if query.prefix is not None:
            found = await self._people.beginning_with(user.user_id, query.prefix, limits.MAX_USERS_FOUND)
        else:
            named = await self._people.named(user.user_id, query.username or "")
            found = [] if named is None else [named]
        return page_response([_profile(profile) for profile in found], None)

    async def me(self, user: CurrentUser) -> ProfileBody:
        """Return the user's own profile."""
        profile = await self._directory.find(user.user_id)
        if profile is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND)
        return ProfileBody.of(profile)

    async def change_me(self, user: CurrentUser, body: ProfileChange) -> ProfileBody:
        """Change the display name, the avatar, or both. Friends and partners of recent conversations are told."""
        profile = await self._directory.update(
            user.user_id,
            display_name=body.displayName,
            avatar=body.avatar,
            clear_avatar="avatar" in body.model_fields_set and body.avatar is None,
        )
        self._on_change()
        return ProfileBody.of(profile)

    async def blocked(self, user: CurrentUser, query: PageParameters) -> Page[BlockBody]:
        """List the users whom the user blocks, newest first."""
        after = None if query.page is None else _place_of(query.page)
        found = await self._blocks.of(user.user_id, query.limit + 1, after)
        shown = found[: query.limit]
        return Page(
            items=[BlockBody(username=block.username, blockedAt=instant(block.at)) for block in shown],
            nextPage=_page_after(shown[-1]) if len(found) > len(shown) else None,
        )


def _profile(profile: Profile) -> UserProfile:
    return UserProfile(profile.user_id, profile.username, profile.display_name, profile.avatar)


def _page_after(block: BlockedUser) -> str:
    return encode_page(f"{block.at.isoformat()}|{block.user_id}")


def _place_of(page: str) -> tuple[datetime, str]:
    at, _, user_id = decode_page(page).partition("|")
    try:
        place = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        place = None
    if place is None or not is_uuid(user_id):
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage of this list")
    return place, user_id
