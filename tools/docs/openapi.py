"""The OpenAPI 3.1 document of the REST interface: the services' routes in one document, by their tags."""

from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from services.media import rest as media
from services.messaging.rest import endpoints as messaging
from services.messaging.rest.conversations import ConversationEndpoints
from services.messaging.rest.reports import ReportEndpoints
from services.messaging.rest.users import UserEndpoints
from services.notifier import rest as notifier
from services.presence import rest as presence
from shared.protocol import limits
from shared.protocol.errors import ErrorCode
from shared.rest import rate_limit, request_id
from shared.rest.errors import ErrorBody
from tools.docs.responses import CHALLENGE, RETRY_AFTER, components, error, with_headers

_NOTHING: Final[Any] = None
"""In place of stores: the routes are described here, never called."""
_NAMES_A_USER: Final = ("/chat/conversations post", "/chat/follows/{username} put", "/chat/follows/{username} delete")
"""The calls that name another user, who may not exist."""
_OPERATIONS: Final = {
    "POST /chat/conversations": "openConversation",
    "GET /chat/conversations": "listConversations",
    "GET /chat/conversations/{conversation_id}": "getConversation",
    "PATCH /chat/conversations/{conversation_id}": "updateConversation",
    "DELETE /chat/conversations/{conversation_id}": "clearConversation",
    "GET /chat/conversations/{conversation_id}/messages": "listMessages",
    "GET /chat/users": "findUsers",
    "GET /chat/users/me": "getMe",
    "PATCH /chat/users/me": "updateMe",
    "GET /chat/users/me/settings": "getSettings",
    "PATCH /chat/users/me/settings": "updateSettings",
    "GET /chat/blocks": "listBlocks",
    "GET /chat/unread": "getUnread",
    "PUT /chat/follows/{username}": "followUser",
    "DELETE /chat/follows/{username}": "unfollowUser",
    "GET /chat/friends": "listFriends",
    "GET /chat/presence": "listPresence",
    "POST /chat/uploads": "reserveUpload",
    "POST /chat/uploads/{upload_id}/complete": "completeUpload",
    "GET /chat/uploads/{upload_id}": "getUpload",
    "GET /chat/push/key": "getPushKey",
    "PUT /chat/push/subscriptions": "putPushSubscription",
    "DELETE /chat/push/subscriptions": "deletePushSubscriptions",
    "PUT /chat/push/devices": "putPushDevice",
    "DELETE /chat/push/devices": "deletePushDevice",
    "POST /chat/reports": "reportMessages",
}
"""Call → its operation id: what generators make a function's name of."""
_FASTAPIS: Final = "Successful Response"
"""FastAPI's description of a success that a route doesn't describe."""
_SUCCESS: Final = {"200": "Done", "201": "Made", "204": "Done; the body is empty"}
_HEADERS: Final = (*rate_limit.HEADERS, request_id.HEADER)
"""Of every response that a service itself sends."""


def application() -> FastAPI:
    """Return an app with all routes, without anything behind them."""
    app = FastAPI(
        responses={"default": {"model": ErrorBody, "description": "Any other error: the error object"}},
        generate_unique_id_function=lambda route: route.name,
    )
    for service, router in _routers().items():
        app.include_router(router, tags=[] if router.tags else [service])
    app.include_router(ReportEndpoints(_NOTHING, _NOTHING, _NOTHING, None).router(), tags=["messaging"])
    return app


@cache
def document() -> dict[str, Any]:
    """The whole document, made once: nobody changes it."""
    made = get_openapi(
        title="Chat over REST",
        version="1.0.0",
        openapi_version="3.1.0",
        description="JSON, the same JWT as on the socket in `Authorization: Bearer`, the same error object.",
        routes=application().routes,
        servers=[
            {"url": "/", "description": "Where this document comes from"},
            {"url": "http://127.0.0.1:8080", "description": "The local stack (`make run`)"},
        ],
    )
    for path, verbs in made["paths"].items():
        for verb, call in verbs.items():
            call["operationId"] = _OPERATIONS[f"{verb.upper()} {path}"]
            call["responses"] = _answers(verb, path, call)
    made["components"]["headers"] = components(CHALLENGE, RETRY_AFTER, *_HEADERS)
    return made


def _answers(verb: str, path: str, call: dict[str, Any]) -> dict[str, Any]:
    """What a call answers, by status: its successes, the errors that it can have, and `default` for the rest."""
    answers: dict[str, Any] = dict(call["responses"])
    default = answers.pop("default")
    for status, answer in answers.items():
        if answer["description"] == _FASTAPIS:
            answer["description"] = _SUCCESS[status]
    answers["401"] = error(ErrorCode.UNAUTHORIZED, None, CHALLENGE)
    if f"{path} {verb}" in _NAMES_A_USER:
        answers["404"] = error(ErrorCode.USER_NOT_FOUND)
    if "{conversation_id}" in path:
        answers["404"] = error(ErrorCode.CONVERSATION_NOT_FOUND)
    answers["429"] = error(ErrorCode.RATE_LIMIT_EXCEEDED, "Too many requests", RETRY_AFTER)
    if path == "/chat/users":
        answers["403"] = error(ErrorCode.FORBIDDEN, "This deployment finds users by whole names only: give username")
    if path == "/chat/reports":
        answers["404"] = error(ErrorCode.CONVERSATION_NOT_FOUND)
    if path == "/chat/uploads":
        answers["404"] = error(ErrorCode.CONVERSATION_NOT_FOUND)
        answers["429"] = error(ErrorCode.RATE_LIMIT_EXCEEDED, "Too many uploads", RETRY_AFTER)
    if "{upload_id}" in path:
        answers["404"] = error(ErrorCode.UPLOAD_NOT_FOUND)
        answers["409"] = error(ErrorCode.UPLOAD_NOT_READY, None, RETRY_AFTER)
    if "requestBody" in call:
        too_big = f"The body is larger than {limits.MAX_REQUEST_BODY_BYTES} bytes"
        answers["413"] = error(ErrorCode.VALIDATION_ERROR, too_big)
    if "requestBody" in call or "parameters" in call:
        answers["422"] = error(ErrorCode.VALIDATION_ERROR)
    answers["503"] = error(ErrorCode.UNAVAILABLE, None, RETRY_AFTER)
    answers = {status: with_headers(answer, *_HEADERS) for status, answer in answers.items()}
    # The HTTP server answers it, before the service sees the request.
    answers["400"] = error(ErrorCode.VALIDATION_ERROR, "The request is not valid HTTP, or its body is not UTF-8")
    return {**dict(sorted(answers.items())), "default": with_headers(default, *_HEADERS)}


def _notifier() -> APIRouter:
    router = APIRouter()
    for part in (
        notifier.WebPushEndpoints(_NOTHING, _NOTHING, _NOTHING),
        notifier.DeviceEndpoints(_NOTHING, []),
        notifier.SettingsEndpoints(_NOTHING),
    ):
        router.include_router(part.router())
    return router


def _routers() -> dict[str, APIRouter]:
    """Service → its paths."""
    return {
        "messaging": messaging.Endpoints(
            ConversationEndpoints(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, None),
            _NOTHING,
            UserEndpoints(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING),
            _NOTHING,
        ).router(),
        "presence": presence.Endpoints(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING).router(),
        "media": media.Endpoints(_NOTHING, _NOTHING, _NOTHING, _NOTHING).router(),
        "notifier": _notifier(),
    }
