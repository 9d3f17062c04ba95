"""Refuses requests from pages of other origins (docs/decisions/0009).

CORS alone would carry them out, and only hide the response.
"""

from collections.abc import Collection, Sequence
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.origins import AllowedOrigins
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response
from shared.rest.health import PATHS

log = structlog.get_logger(__name__)

PREFLIGHT: Final = "access-control-request-method"


class OriginGate:
    """Answers 403 to HTTP requests, including preflights, with an `Origin` that isn't in a list. Probes and scrapers pass.

    The page may read that 403, which has no other information. On `verdict_paths`, where clients ask why they were refused, the
    preflight is allowed, and the request itself gets the 403.
    """

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str], verdict_paths: Collection[str] = ()) -> None:
        self._app = app
        self._origins = AllowedOrigins(allowed_origins)
        self._verdict_paths = frozenset(verdict_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "http" and scope["path"] not in PATHS:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self._origins.allows(origin):
                log.info("request.forbidden", path=scope["path"], origin=origin)
                is_preflight = scope["method"] == "OPTIONS" and PREFLIGHT in headers
                grants = is_preflight and scope["path"] in self._verdict_paths
                response = _grant() if grants else error_response(ProtocolError(ErrorCode.FORBIDDEN))
                if grants or not is_preflight:
                    response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Vary"] = "Origin"
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _grant() -> Response:
    """Return the response to a preflight, which allows a request with a token (Fetch standard, section 3.2.3)."""
    return Response(
        status_code=204,
        headers={"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "Authorization"},
    )
