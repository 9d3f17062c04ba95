"""The paths of the server API."""

from fastapi import APIRouter

from services.admin.conversation_routes import ConversationRoutes
from services.admin.import_routes import ImportRoutes
from services.admin.privacy_routes import PrivacyRoutes
from services.admin.report_routes import ReportRoutes
from services.admin.user_routes import UserRoutes
from shared.protocol import limits

PREFIX = "/chat/admin"
LARGER_BODIES: dict[str, int | None] = {
    f"{PREFIX}/follows": limits.MAX_FOLLOWS_BODY_BYTES,
    f"{PREFIX}/import": None,
}
"""Path → largest body in bytes, where that is more than the default; None: it is read as a stream."""


def create_router(
    users: UserRoutes,
    conversations: ConversationRoutes,
    reports: ReportRoutes,
    imports: ImportRoutes,
    privacy: PrivacyRoutes,
) -> APIRouter:
    """Return a router with all paths."""
    router = APIRouter(prefix=PREFIX, tags=["admin"])
    router.include_router(users.router())
    router.include_router(conversations.router())
    router.include_router(reports.router())
    router.include_router(imports.router())
    router.include_router(privacy.router())
    return router
