"""A FastAPI app as every service has it: errors of the contract, bounded bodies, health."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from shared.origins import AllowedOrigins
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.concurrency import ConcurrencyLimit
from shared.rest.errors import BugCatcher, ErrorBody, add_error_handlers, error_response
from shared.rest.health import Health, add_health
from shared.rest.origins import OriginGate
from shared.rest.rate_limit import HEADERS, RateLimitHeaders

Message = MutableMapping[str, Any]
ASGI = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]


class BodyLimit:
    """Refuses request bodies over 64 KiB with 413, whether announced or streamed.

    `larger`: path → its own limit in bytes, or None where the path's handler reads the body as a stream and bounds it itself. A
    path that ends with `/` stands for all below it.
    """

    def __init__(self, app: ASGI, larger: Mapping[str, int | None] | None = None) -> None:
        self._app = app
        self._larger = dict(larger or {})

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limit_of(scope["path"])
        if most is None:
            await self._app(scope, receive, send)
            return
        reason = f"The body is larger than {most} bytes"
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > most:
            await self._refuse(reason, scope, receive, send)
            return
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, reason)
            return message

        await self._app(scope, bounded, send)

    def _limit_of(self, path: str) -> int | None:
        for larger, most in self._larger.items():
            if path == larger or (larger.endswith("/") and path.startswith(larger)):
                return most
        return limits.MAX_REQUEST_BODY_BYTES

    async def _refuse(
        self,
        reason: str,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        response = error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, reason))
        response.status_code = 413
        await response(scope, receive, send)


KEEP_ALIVE_SECONDS = 75
"""How long a service keeps an idle connection (`uvicorn.Config.timeout_keep_alive`): longer than the balancer does (`timeout
http-keep-alive`), which so never sends a request into one that is just being closed."""


def _cors_origins(allowed_origins: Sequence[str]) -> dict[str, Any]:
    """CORS's own words for the list."""
    return (
        {"allow_origin_regex": AllowedOrigins(allowed_origins).pattern} if allowed_origins else {"allow_origins": ["*"]}
    )


def create_app(
    title: str,
    health: Health,
    allowed_origins: Sequence[str] = (),
    *,
    larger_bodies: Mapping[str, int | None] | None = None,
    most_at_once: int | None = None,
    wait_seconds: float = 2,
) -> FastAPI:
    """An app without documentation pages of its own: the published documents are generated (`docs/api`).

    `larger_bodies`: see `BodyLimit`. `most_at_once` and `wait_seconds`: see `ConcurrencyLimit`; None bounds nothing.
    """
    app = FastAPI(
        title=title,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses={"default": {"model": ErrorBody, "description": "The error object"}},
    )
    app.add_middleware(BodyLimit, larger=larger_bodies)
    app.add_middleware(BugCatcher)
    if most_at_once is not None:
        app.add_middleware(ConcurrencyLimit, most=most_at_once, wait_seconds=wait_seconds)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(
        CORSMiddleware,
        **_cors_origins(allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["WWW-Authenticate", "Retry-After", *HEADERS],
    )
    if allowed_origins:
        app.add_middleware(OriginGate, allowed_origins=allowed_origins)
    add_error_handlers(app)
    add_health(app, health)
    return app
