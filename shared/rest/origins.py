"""Pages of foreign origins are refused (docs/decisions/0009). CORS alone lets them call, and only hides the answer."""

from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.origins import AllowedOrigins
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.errors import error_response
from shared.rest.health import PATHS

log = structlog.get_logger(__name__)


class OriginGate:
    """Answers 403 to HTTP requests, preflights too, of an `Origin` that isn't in a list. Probes and scrapers pass."""

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str]) -> None:
        self._app = app
        self._origins = AllowedOrigins(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "http" and scope["path"] not in PATHS:
            origin = Headers(scope=scope).get("origin")
            if origin is not None and not self._origins.allows(origin):
                log.info("request.forbidden", path=scope["path"], origin=origin)
                await error_response(ProtocolError(ErrorCode.FORBIDDEN))(scope, receive, send)
                return
        await self._app(scope, receive, send)
