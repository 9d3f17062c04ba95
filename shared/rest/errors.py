"""Answers every failed request with the error object of the protocol."""

import math
import re
import uuid
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import postgres, redis
from shared.auth import TokenError
from shared.protocol.errors import ADVICE, ErrorCode, ProtocolError, error_event
from shared.retry import is_transient

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 1
MAX_DESCRIPTION_CHARACTERS = 200
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CODES = {401: ErrorCode.UNAUTHORIZED, 403: ErrorCode.FORBIDDEN, 404: ErrorCode.NOT_FOUND, 503: ErrorCode.UNAVAILABLE}


class ErrorDetailBody(BaseModel):
    """Code, message, and whether the same request may succeed later."""

    code: ErrorCode
    message: str
    retryable: bool
    retryAfter: float | None = Field(None, description="Seconds to wait first.")  # noqa: N815 - the contract's name


class ErrorBody(BaseModel):
    """The error object, the same as over WebSocket."""

    type: str = "error"
    error: ErrorDetailBody


def error_response(error: ProtocolError) -> JSONResponse:
    """Return the response of a protocol error, with `Retry-After` (whole seconds) when the error has a retry time."""
    response = JSONResponse(error.builtins(), error.status)
    after = error.event.error.retry_after
    if isinstance(after, int | float):
        response.headers["Retry-After"] = str(max(1, math.ceil(after)))
    elif error.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = challenge(error)
    return response


def challenge(error: ProtocolError) -> str:
    """Return the `WWW-Authenticate` of a 401 (RFC 6750, section 3). It has no error when there was no token."""
    if not isinstance(error, TokenError) or error.missing:
        return "Bearer"
    # Printable ASCII without quotes and backslashes.
    description = re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "?", error.reason)[:MAX_DESCRIPTION_CHARACTERS]
    return f'Bearer error="invalid_token", error_description="{description}"'


async def _on_protocol_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProtocolError)
    return error_response(error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if any(fault["type"] == "json_invalid" for fault in error.errors()):
        refusal = await _refusal_of_user(request)
        if refusal is not None:
            return refusal
    faults = [_text_of(fault, error.body) for fault in error.errors()]
    return error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, "; ".join(faults)[:1000]))


async def _refusal_of_user(request: Request) -> JSONResponse | None:
    """Return the refusal of a request that nobody may make. FastAPI parses the body first, and then asks who sent it."""
    authenticator = getattr(request.app.state, "authenticator", None)
    try:
        if authenticator is not None:
            await authenticator.current_user(request.scope)
    except ProtocolError as error:
        return error_response(error)
    except Exception as error:
        if not is_transient(error):
            raise
        return await _on_backend_error(request, error)
    return None


def _text_of(fault: dict[str, Any], body: object) -> str:
    """Return what is wrong and what to do. FastAPI leaves a body as bytes when `Content-Type` doesn't say that it is JSON."""
    place = tuple(fault["loc"])
    if fault["type"] == "json_invalid":
        return f"body: it is not JSON: {fault['ctx']['error']} at character {place[1]}"
    if place == ("body",) and isinstance(body, bytes):
        return "body: it was not read; send JSON with the header Content-Type: application/json"
    if place == ("body",) and fault["type"] == "missing":
        return "body: this request needs a JSON body"
    return f"{'.'.join(map(str, place))}: {fault['msg']}"


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = error.headers
    if error.status_code == 405:
        headers = {**(headers or {}), "Allow": ", ".join(_methods_of(request))}
    code = _CODES.get(error.status_code, ErrorCode.VALIDATION_ERROR)
    message = None if error.status_code in {401, 404} else str(error.detail)
    if error.status_code == 400:
        refusal = await _refusal_of_user(request)
        if refusal is not None:
            return refusal
        message = "body: it is not JSON in UTF-8, or it is nested too deeply"
    body: dict[str, Any] = ProtocolError(code, message).builtins()
    # FastAPI's 400 means a body that it can't parse. The protocol treats that like a wrong field: 422.
    status = ADVICE[ErrorCode.VALIDATION_ERROR].status if error.status_code == 400 else error.status_code
    return JSONResponse(body, status, headers=headers)


def _methods_of(request: Request) -> list[str]:
    """Return the methods of the request's path (RFC 9110, section 10.2.1). Starlette names those of one of its routes."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [m for m, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]


async def _on_backend_error(request: Request, error: Exception) -> JSONResponse:
    if not is_transient(error):
        return await _on_bug(request, error)
    log.warning("request.backend_away", path=request.url.path, error=repr(error))
    return error_response(ProtocolError(ErrorCode.UNAVAILABLE))


class BugCatcher:
    """Answers unexpected errors inside the CORS middleware.

    Starlette would answer outside of it, where a page can't read the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry. Raises errors that occur after the response has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun:
                raise
            response = await _on_bug(Request(scope), error)
            await response(scope, receive, send)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    error_id = uuid.uuid4().hex
    log.error("request.failed", path=request.url.path, error_id=error_id, exc_info=error)
    event = error_event(ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")
    return error_response(ProtocolError(ErrorCode.INTERNAL_ERROR, event.error.message))


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception with the error object, and unavailable backends with 503 and `Retry-After`."""
    app.add_exception_handler(ProtocolError, _on_protocol_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    for kind in {*postgres.TRANSIENT_ERRORS, *redis.TRANSIENT_ERRORS, redis.RedisError}:
        app.add_exception_handler(kind, _on_backend_error)
    app.add_exception_handler(Exception, _on_bug)
