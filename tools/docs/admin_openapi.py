"""The OpenAPI 3.1 document of the server API, which the platform's own back end calls."""

from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.admin import rest
from services.admin.conversation_routes import ConversationRoutes
from services.admin.import_routes import ImportRoutes
from services.admin.privacy_routes import PrivacyRoutes
from services.admin.report_routes import ReportRoutes
from services.admin.user_routes import UserRoutes
from shared.protocol.errors import ErrorCode
from shared.rest import request_id
from shared.rest.errors import ErrorBody
from tools.docs.responses import CHALLENGE, LOCATION, RETRY_AFTER, components, error, with_headers

_OPERATIONS: Final = {
    "PUT /chat/admin/users/{user_id}": "putUser",
    "DELETE /chat/admin/users/{user_id}": "eraseUser",
    "POST /chat/admin/users/{user_id}/revoke": "revokeUser",
    "GET /chat/admin/users/{user_id}/export": "exportUser",
    "PUT /chat/admin/follows": "putFollows",
    "POST /chat/admin/conversations": "openConversation",
    "POST /chat/admin/conversations/{conversation_id}/messages": "sendMessage",
    "GET /chat/admin/conversations/{conversation_id}/messages": "listMessages",
    "DELETE /chat/admin/conversations/{conversation_id}/messages/{seq}": "takeMessageDown",
    "GET /chat/admin/reports": "listReports",
    "PATCH /chat/admin/reports/{report_id}": "updateReport",
    "POST /chat/admin/import": "importHistory",
    "GET /chat/admin/jobs/{job_id}": "getJob",
}
"""Call → its operation id."""
_NOTHING: Final[Any] = None
"""In place of stores: the routes are described here, never called."""


def application() -> FastAPI:
    """Return an app with all routes, without anything behind them."""
    app = FastAPI(
        responses={"default": {"model": ErrorBody, "description": "Any error: the error object"}},
        generate_unique_id_function=lambda route: f"{route.name} {route.path} {route.methods}",
    )
    app.include_router(
        rest.create_router(
            UserRoutes(_NOTHING, _NOTHING, _NOTHING, _NOTHING),
            ConversationRoutes(_NOTHING, _NOTHING, _NOTHING),
            ReportRoutes(_NOTHING),
            ImportRoutes(_NOTHING),
            PrivacyRoutes(_NOTHING, _NOTHING, _NOTHING),
        )
    )
    return app


@cache
def document() -> dict[str, Any]:
    """The whole document, made once: nobody changes it."""
    made = get_openapi(
        title="Server API of the chat",
        version="1.0.0",
        openapi_version="3.1.0",
        description="For the platform's own back end: a JWT whose `scope` contains `chat.admin`, in `Authorization: Bearer`. "
        "Not routed from outside. Every call is written to an audit log.",
        routes=application().routes,
    )
    for path, verbs in made["paths"].items():
        for verb, call in verbs.items():
            call["operationId"] = _OPERATIONS[f"{verb.upper()} {path}"]
            call["responses"] = _responses(call["responses"])
    made["components"]["headers"] = components(CHALLENGE, RETRY_AFTER, LOCATION, request_id.HEADER)
    made["components"]["securitySchemes"] = {"service": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    made["security"] = [{"service": []}]
    return made


def _responses(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the responses of a call, by status, with the errors that every call can have."""
    default = declared.pop("default")
    responses = {
        **declared,
        "401": error(ErrorCode.UNAUTHORIZED, None, CHALLENGE),
        "403": error(ErrorCode.FORBIDDEN, "The token's scope doesn't contain chat.admin"),
        "503": error(ErrorCode.UNAVAILABLE, None, RETRY_AFTER),
    }
    if "202" in responses:
        responses["202"] = with_headers(responses["202"], LOCATION)
    return {
        status: with_headers(response, request_id.HEADER)
        for status, response in [*sorted(responses.items()), ("default", default)]
    }
