"""The opening handshake as the library judges it (RFC 6455, section 4.2.1); a refusal is the error object of the contract."""

from http import HTTPStatus
from typing import Final

import structlog
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from services.gateway import metrics
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

log = structlog.get_logger(__name__)

_VERSION_HEADER: Final = "Sec-WebSocket-Version"
_VERSION: Final = "13"


class Opening(ServerProtocol):
    """The library's protocol. Its own refusals are plain text that repeats the header at fault, which may hold a token."""

    def accept(self, request: Request) -> Response:
        """The response to an upgrade request: 101, or why not."""
        response = super().accept(request)
        return response if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else self._explain(response)

    def _explain(self, response: Response) -> Response:
        """Put the error object in the place of a refusal's text. Another version is told ours (RFC 6455, section 4.2.2)."""
        name = self.handshake_exc.name if isinstance(self.handshake_exc, InvalidHeader) else None
        if name == _VERSION_HEADER:
            response.status_code, response.reason_phrase = HTTPStatus.UPGRADE_REQUIRED, "Upgrade Required"
            response.headers["Upgrade"] = "websocket"
            response.headers[_VERSION_HEADER] = _VERSION
        message = f"{name} is missing or not valid" if name else "The upgrade request is not valid"
        response.body = json_encoder.encode(error_event(ErrorCode.VALIDATION_ERROR, message))
        for header, value in {"Content-Type": "application/json", "Content-Length": str(len(response.body))}.items():
            # Assigning alone would add a second one.
            del response.headers[header]
            response.headers[header] = value
        log.info("handshake.refused", code=ErrorCode.VALIDATION_ERROR, reason=message)
        metrics.HANDSHAKES.labels(ErrorCode.VALIDATION_ERROR).inc()
        return response
