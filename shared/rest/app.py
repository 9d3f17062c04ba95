"""The FastAPI app of every service: errors of the protocol, limits of bodies and queries, health."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from shared.origins import AllowedOrigins
from shared.rest import request_id
from shared.rest.body_limit import BodyLimit
from shared.rest.concurrency import ConcurrencyLimit
from shared.rest.errors import BugCatcher, ErrorBody, add_error_handlers
from shared.rest.health import Health, ReadyProbe, add_health
from shared.rest.origins import OriginGate
from shared.rest.query_limit import QueryLimit
from shared.rest.rate_limit import HEADERS, RateLimitHeaders
from shared.rest.turns import RATE_FACTOR, TOKEN_STARTS_A_SECOND, TokenTurns

KEEP_ALIVE_SECONDS = 75
"""How long a service keeps an idle connection (`uvicorn.Config.timeout_keep_alive`).

It is longer than the load balancer's `timeout http-keep-alive`, so that the balancer never sends a request on a connection that
is just being closed.
"""


def _cors_origins(allowed_origins: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of the CORS middleware for the list."""
    return (
        {"allow_origin_regex": AllowedOrigins(allowed_origins).pattern} if allowed_origins else {"allow_origins": ["*"]}
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a service's requests.

    `user_rate`: requests a second of one user, 0 for no limit; `user_starts`: how many of a burst start in a second; see
    `TokenTurns`. `larger_bodies`: see `BodyLimit`. `most_at_once` and `wait_seconds`: see `ConcurrencyLimit`; None: no limit.
    """

    user_rate: float = 0
    user_starts: float = TOKEN_STARTS_A_SECOND
    larger_bodies: Mapping[str, int | None] = field(default_factory=dict)
    most_at_once: int | None = None
    wait_seconds: float = 2


def create_app(
    title: str,
    health: Health,
    allowed_origins: Sequence[str] = (),
    bounds: Bounds | None = None,
    *,
    verdict_paths: Collection[str] = (),
) -> FastAPI:
    """Return an app without FastAPI's documentation pages; the published documents are generated (`docs/api`).

    `verdict_paths`: see `OriginGate`.
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
    app.add_middleware(BugCatcher)
    _add_limits(app, bounds or Bounds())
    _add_origins(app, allowed_origins, verdict_paths)
    # Outside of everything that clients see, so that every request that is refused there has an id too.
    app.add_middleware(request_id.RequestIds)
    app.add_middleware(ReadyProbe, health=health)
    add_error_handlers(app)
    add_health(app, health)
    return app


def add_router(app: FastAPI, router: APIRouter) -> None:
    """Add a router's paths as those of the app itself.

    FastAPI's `include_router` keeps the router instead: it builds each path again at the first request, and matches all later
    ones twice.
    """
    app.router.routes.extend(router.routes)


def _add_limits(app: FastAPI, bounds: Bounds) -> None:
    """Limit requests. Middleware that is added later is outside of what is added before."""
    if bounds.most_at_once is not None:
        app.add_middleware(ConcurrencyLimit, most=bounds.most_at_once, wait_seconds=bounds.wait_seconds)
    # Outside of the concurrency limit: a slow body must not take a place.
    app.add_middleware(BodyLimit, larger=bounds.larger_bodies)
    if bounds.user_rate:
        app.add_middleware(
            TokenTurns,
            per_second=bounds.user_rate * RATE_FACTOR,
            starts_a_second=bounds.user_starts,
            few_writes=bounds.most_at_once is not None,
        )
    app.add_middleware(RateLimitHeaders)
    # Before anything parses the query.
    app.add_middleware(QueryLimit)


def _add_origins(app: FastAPI, allowed_origins: Sequence[str], verdict_paths: Collection[str]) -> None:
    """Let pages of these origins read responses, and refuse requests of others."""
    app.add_middleware(
        CORSMiddleware,
        **_cors_origins(allowed_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", request_id.HEADER],
        expose_headers=["WWW-Authenticate", "Retry-After", request_id.HEADER, *HEADERS],
    )
    if allowed_origins:
        app.add_middleware(OriginGate, allowed_origins=allowed_origins, verdict_paths=verdict_paths)
