"""What responses have in common in both OpenAPI documents: headers and errors."""

from typing import Any, Final

from shared.protocol.errors import ErrorCode, error_event
from shared.rest import rate_limit, request_id
from shared.rest.errors import ErrorBody

RETRY_AFTER: Final = "Retry-After"
CHALLENGE: Final = "WWW-Authenticate"
LOCATION: Final = "Location"
_TEXT: Final = {"type": "string"}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    RETRY_AFTER: {"description": "Seconds to wait first.", "schema": {"type": "integer"}},
    CHALLENGE: {"description": "RFC 9110, section 11.6.1.", "schema": {"type": "string", "pattern": "^Bearer"}},
    LOCATION: {"description": "Where to read the job.", "schema": {"type": "string"}},
    request_id.HEADER: {"description": "The request's id in logs: the caller's, or a new one.", "schema": _TEXT},
    rate_limit.POLICY: {
        "description": "The user's allowance: `q` requests, refilled in `w` seconds. Absent where there is no limit.",
        "schema": {**_TEXT, "examples": ['"user";q=100;w=5']},
    },
    rate_limit.REMAINING: {
        "description": "What is left of the allowance: `r` requests now, and all again in `t` seconds.",
        "schema": {**_TEXT, "examples": ['"user";r=99;t=1']},
    },
}
"""Name → its declaration."""


def components(*names: str) -> dict[str, Any]:
    """Return the declarations of headers, for the document's components."""
    return {name: HEADERS[name] for name in names}


def with_headers(response: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a response that has these headers too."""
    added = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {**response, "headers": {**response.get("headers", {}), **added}}


def error(code: ErrorCode, message: str | None = None, *headers: str) -> dict[str, Any]:
    """Return a response with the error object of `code`."""
    detail = error_event(code, message).error
    example = {"type": "error", "error": {"code": code, "message": detail.message, "retryable": detail.retryable}}
    content = {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}, "example": example}
    response: dict[str, Any] = {"description": detail.message, "content": {"application/json": content}}
    return with_headers(response, *headers) if headers else response
