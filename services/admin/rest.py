"""The paths of the server API."""

from fastapi import APIRouter

from services.admin.conversation_routes import ConversationRoutes
from services.admin.user_routes import UserRoutes
from shared.protocol import limits

PREFIX = "/chat/admin"
LARGER_BODIES: dict[str, int | None] = {f"{PREFIX}/follows": limits.MAX_FOLLOWS_BODY_BYTES}
"""Path → how large its body may be, where that is more than usual."""


def create_router(users: UserRoutes, conversations: ConversationRoutes) -> APIRouter:
    """All paths in one."""
    router = APIRouter(prefix=PREFIX, tags=["admin"])
    router.include_router(users.router())
    router.include_router(conversations.router())
    return router
