"""The opening handshake of one socket (RFC 6455, section 4): from the upgrade request until the application accepts it."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import structlog
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from services.gateway import metrics
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

log = structlog.get_logger(__name__)

EXTENSION: Final = "chat.protocol"
"""The key in an ASGI scope's `extensions` under which the connection's protocol object is."""
CLOSE_SECONDS: Final = 5.0
"""A peer that doesn't end the connection within this time after a close frame is disconnected."""

_VERSION_HEADER: Final = "Sec-WebSocket-Version"
_VERSION: Final = "13"


class UpgradeRules(ServerProtocol):
    """websockets' checks of an upgrade request (RFC 6455, section 4.2.1), with refusals as the protocol's error objects.

    The library's own refusals are plain text that repeats the faulty header, which may contain a token.
    """

    def accept(self, request: Request) -> Response:
        """The response to an upgrade request: 101, or why not."""
        response = super().accept(request)
        return response if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else self._explain(response)

    def _explain(self, response: Response) -> Response:
        """Replace a refusal's text by the error object.

        A client with another WebSocket version learns which one we speak (section 4.2.2).
        """
        name = self.handshake_exc.name if isinstance(self.handshake_exc, InvalidHeader) else None
        if name == _VERSION_HEADER:
            response.status_code, response.reason_phrase = HTTPStatus.UPGRADE_REQUIRED, "Upgrade Required"
            response.headers["Upgrade"] = "websocket"
            response.headers[_VERSION_HEADER] = _VERSION
        message = f"{name} is missing or not valid" if name else "The upgrade request is not valid"
        response.body = json_encoder.encode(error_event(ErrorCode.VALIDATION_ERROR, message))
        for header, value in {"Content-Type": "application/json", "Content-Length": str(len(response.body))}.items():
            # Assignment alone would add a second header.
            del response.headers[header]
            response.headers[header] = value
        log.info("handshake.refused", code=ErrorCode.VALIDATION_ERROR, reason=message)
        metrics.HANDSHAKES.labels(ErrorCode.VALIDATION_ERROR).inc()
        return response


class UpgradeProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with corrections to the handshake and to the end of the socket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # `UpgradeRules` adds no state. Creating one beside uvicorn's object would cost each handshake 50 µs.
        self.conn.__class__ = UpgradeRules
        self._attached = False
        self._early = b""
        self._failed = False
        self._unsent = b""
        self._abort_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the peer, and answer a request that is too large."""
        super().data_received(data)
        if not self.handshake_complete:
            self._answer_unparsable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close a connection that the drain has left, because the server stops."""
        super().shutdown()
        self.abort_soon()

    def handle_connect(self, event: Request) -> None:
        """Start the application; nothing is read until it has accepted."""
        super().handle_connect(event)
        if self.close_sent:
            return
        self.scope["extensions"] = {**(self.scope["extensions"] or {}), EXTENSION: {"protocol": self}}
        self.transport.pause_reading()

    async def send(self, message: Any) -> None:
        """ASGI's `send`. When the peer broke the protocol, the application sees a lost connection; uvicorn would report a bug."""
        if self._failed:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept" and not self.transport.is_closing():
            self.transport.resume_reading()

    def accept(self, subprotocol: str | None) -> None:
        """Accept the connection. The response isn't written yet: `take_response` returns it, for one write with the first event.

        A write is a system call, and wakes the load balancer and the client. Raises ClientDisconnected when the peer has gone.
        """
        if self._failed or self.disconnected or self.transport.is_closing():
            raise ClientDisconnected
        del self.response.headers["Date"]
        for name, value in self.default_headers:
            self.response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        if subprotocol is not None:
            self.response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self.conn.send_response(self.response)
        self._unsent = b"".join(self.conn.data_to_send())
        self.handshake_complete = True
        self.transport.resume_reading()

    def take_response(self) -> bytes:
        """Return the response that `accept` made, for the caller to write before anything else."""
        unsent, self._unsent = self._unsent, b""
        return unsent

    async def run_asgi(self) -> None:
        """Run the application. It may end once a connection is attached; the socket stays open without it."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete and self.initial_response is None:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        if not self._attached and self.close_timer is None:
            self.transport.close()
            self.abort_soon()

    def keep_early(self, data: bytes) -> None:
        """Keep frames that came with the upgrade request until the connection is attached."""
        self._early = data

    def abort_soon(self) -> None:
        """Disconnect the peer after `CLOSE_SECONDS`: `transport.close()` alone waits for a flush that may never end."""
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def _answer_unparsable(self) -> None:
        """Send the 431 or 414 that websockets writes for a handshake that is too large; uvicorn doesn't send it."""
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self.abort_soon()
