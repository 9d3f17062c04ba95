"""REST: all paths of messaging in one router."""

from typing import Any

from fastapi import APIRouter

from services.messaging.rest.conversations import ConversationEndpoints
from services.messaging.rest.reads import Reads
from services.messaging.rest.schemas import UnreadBody
from services.messaging.rest.users import UserEndpoints
from services.messaging.stores.unread import UnreadCounts
from shared.rest import CurrentUser
from shared.rest.direct import DirectRoute


class Endpoints:
    """The paths of conversations, of users, and of unread counts."""

    def __init__(
        self, conversations: ConversationEndpoints, reads: Reads, users: UserEndpoints, counts: UnreadCounts
    ) -> None:
        self._reads = reads
        self._conversations = conversations
        self._users = users
        self._counts = counts

    def router(self) -> APIRouter:
        """Return all paths, in the order of the protocol."""
        router = APIRouter(prefix="/chat")
        self._conversations.add_to(router)
        self._users.add_to(router)
        router.add_api_route("/unread", self.unread, methods=["GET"])
        return router

    def direct(self) -> list[DirectRoute[Any]]:
        """Return the frequent reads, which bypass FastAPI's routing."""
        return self._reads.routes()

    async def unread(self, user: CurrentUser) -> UnreadBody:
        """Count unread messages, from PostgreSQL: in all conversations, and in each of the 1,000 newest that have any."""
        total, counts = await self._counts.summary(user.user_id)
        return UnreadBody(total=total, conversations=counts)
