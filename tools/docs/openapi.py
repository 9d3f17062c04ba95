"""The OpenAPI 3.1 document of the REST interface: the services' routes in one document, by their tags."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from services.messaging import http as messaging
from services.notifier import http as notifier
from services.presence import http as presence
from shared.rest.errors import ErrorBody

_NOTHING: Final[Any] = None
"""In place of stores: the routes are described here, never called."""


def document() -> dict[str, Any]:
    """The whole document."""
    app = FastAPI(
        responses={"default": {"model": ErrorBody, "description": "The error object"}},
        generate_unique_id_function=lambda route: route.name,
    )
    for service, router in _routers().items():
        app.include_router(router, tags=[] if router.tags else [service])
    return get_openapi(
        title="Chat over REST",
        version="1.0.0",
        openapi_version="3.1.0",
        description="JSON, the same JWT as on the socket in `Authorization: Bearer`, the same error object.",
        routes=app.routes,
        servers=[{"url": "http://127.0.0.1:8080", "description": "The local stack (`make run`)"}],
    )


def _routers() -> dict[str, APIRouter]:
    """Service → its paths."""
    return {
        "messaging": messaging.Endpoints(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING).router(),
        "presence": presence.create_router(_NOTHING),
        "notifier": notifier.create_router(_NOTHING, _NOTHING, _NOTHING),
    }
