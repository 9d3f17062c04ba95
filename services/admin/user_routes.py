"""Users and their follow graph."""

import time
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from services.admin.authentication import CallingService, call_of
from services.admin.schemas import FollowBody, FollowsResult, UserBody
from shared.auth import Principal
from shared.auth.revocations import Revocations, end_pushes
from shared.directory import Directory
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import FollowChange, Imported, SetFollows
from shared.protocol.topology import PRESENCE_REQUESTS
from shared.rabbitmq import Publisher
from shared.requests import Requester
from shared.rest.formats import UuidText
from shared.rest.profiles import ProfileBody

FOLLOWS_SECONDS = 30
FollowList = Annotated[list[FollowBody], Body(max_length=limits.MAX_FOLLOW_CHANGES)]


class UserRoutes:
    """The paths of users and follows."""

    def __init__(
        self, directory: Directory, revocations: Revocations, publisher: Publisher, requester: Requester
    ) -> None:
        self._publisher = publisher
        self._directory = directory
        self._revocations = revocations
        self._requester = requester

    def router(self) -> APIRouter:
        """The paths."""
        router = APIRouter()
        router.add_api_route("/users/{user_id}", self.put, methods=["PUT"])
        router.add_api_route(
            "/users/{user_id}/revoke", self.revoke, methods=["POST"], status_code=204, response_class=Response
        )
        router.add_api_route("/follows", self.set_follows, methods=["PUT"])
        return router

    async def put(self, _caller: CallingService, user_id: UuidText, body: UserBody) -> ProfileBody:
        """Create or change a user, as a token with these claims would. A username of another user moves to this one."""
        now = time.time()
        claims = Principal(
            user_id, expires_at=now, issued_at=now, username=body.username, name=body.displayName, picture=body.avatar
        )
        await self._directory.ensure(claims)
        # The user may have changed the profile since it last had these claims.
        profile = await self._directory.update(
            user_id, display_name=body.displayName, avatar=body.avatar, clear_avatar=body.avatar is None
        )
        return ProfileBody.of(profile)

    async def revoke(self, _caller: CallingService, user_id: UuidText) -> None:
        """Refuse all current tokens of the user permanently, in all services, and close their connections."""
        since = await self._revocations.revoke(user_id, None)
        await end_pushes(self._publisher, user_id, since)

    async def set_follows(self, _caller: CallingService, request: Request, body: FollowList) -> FollowsResult:
        """Change the follow graph. The answer is sent when live presence shows the change. Repeating it changes nothing."""
        users = {user for change in body for user in (change.follower, change.followee)}
        call_of(request).concern(users)
        if any(change.follower == change.followee for change in body):
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "follower and followee must be different users")
        unknown = users - await self._directory.known(users)
        if unknown:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND, f"No user has the id {min(unknown)}")
        if body:
            changes = [FollowChange(change.follower, change.followee, change.follows) for change in body]
            await self._requester.ask(PRESENCE_REQUESTS, SetFollows(changes), Imported, seconds=FOLLOWS_SECONDS)
        return FollowsResult(applied=len(body))
