"""The listening socket, and HTTP connections until they become WebSockets: requests that take too long are cut off."""

import asyncio
import socket
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.gateway.socket.upgrade import UpgradeProtocol
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event

HANDSHAKE_SECONDS: Final = 10.0
"""A request's headers must be here within this time."""
MAX_HEADER_BYTES: Final = 32 * 1024
USER_TIMEOUT_MS: Final = 25_000
"""What was sent and isn't acknowledged by the peer's kernel for so long ends the connection (RFC 5482)."""
UNSENT_BYTES: Final = 128 * 1024
"""What the kernel holds of one connection beyond what is on its way. By default it takes megabytes."""
BACKLOG: Final = 4096

REQUEST_SECONDS: Final = 20.0
"""… and its body within this time; a byte a second must not hold a connection for ever."""

_HEAD_END: Final = b"\r\n\r\n"
_VERSION_MESSAGE: Final = "WebSocket needs HTTP/1.1"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; accepted ones inherit its time-outs. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a time limit and a size limit for a request's headers."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its first request must follow."""
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(HANDSHAKE_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a request, unless its headers are too large."""
        self._received = data
        if self._header_timer is not None:
            # What follows an upgrade request in the same packet is no header.
            end = data.find(_HEAD_END)
            self._header_bytes += len(data) if end < 0 else end
            if self._header_bytes > MAX_HEADER_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)
        self._received = b""

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket to the WebSocket protocol, with the frames that came in the packet of the request."""
        self._stop_timer()
        if self.parser.get_http_version() != "1.1":
            # RFC 6455, section 4.2.1; uvicorn would answer 101.
            self._refuse_version()
            return
        early = self._received.partition(_HEAD_END)[2]
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if early and isinstance(protocol, UpgradeProtocol):
            protocol.keep_early(early)

    def on_message_begin(self) -> None:
        """A request begins: its headers must be here soon."""
        super().on_message_begin()
        self._header_bytes = 0
        self._start_timer(HANDSHAKE_SECONDS)

    def on_headers_complete(self) -> None:
        """The headers are here: the body must be, soon."""
        self._stop_timer()
        super().on_headers_complete()
        self._body_timer = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self._stop_timer()
        super().on_message_complete()

    def _refuse_version(self) -> None:
        body = json_encoder.encode(error_event(ErrorCode.VALIDATION_ERROR, _VERSION_MESSAGE))
        head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _start_timer(self, seconds: float) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        for timer in (self._header_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._body_timer = None
