"""The listening socket, and HTTP connections until they become WebSockets. Requests that take too long are cut off."""

import socket
from typing import Final

from services.gateway.transport.upgrade import UpgradeProtocol
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, error_event
from shared.rest import http_protocol
from shared.rest.http_protocol import HEAD_END

USER_TIMEOUT_MS: Final = 25_000
"""TCP user time-out (RFC 5482): when the peer's kernel acknowledges nothing for this long, the connection ends."""
UNSENT_BYTES: Final = 128 * 1024
"""Most unsent bytes in the kernel for one connection (TCP_NOTSENT_LOWAT). The default allows megabytes."""
UNREAD_BYTES: Final = 128 * 1024
"""Room for bytes in the kernel that a connection has sent and the gateway has not read (SO_RCVBUF; Linux doubles it).

The default grows to megabytes: while the gateway doesn't read from a client that sends too much, ten of its connections would
hold tens of megabytes, which would all be read and refused later.
"""
BACKLOG: Final = 4096

_VERSION_MESSAGE: Final = "WebSocket needs HTTP/1.1"


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket, whose time-outs accepted sockets inherit. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    # Before `listen`: the window is agreed on with the handshake (tcp(7)).
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


class HttpProtocol(http_protocol.HttpProtocol):
    """The HTTP protocol of every service; here it hands upgrades over to the WebSocket protocol."""

    _received = b""

    def parse(self, data: bytes) -> None:
        """Parse a part of a request."""
        self._received = data
        super().parse(data)
        self._received = b""

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket to the WebSocket protocol, with the frames that arrived together with the request."""
        self.stop_timers()
        if self.parser.get_http_version() != "1.1":
            # RFC 6455, section 4.2.1; uvicorn would answer 101.
            self._refuse_version()
            return
        early = self._received.partition(HEAD_END)[2]
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if early and isinstance(protocol, UpgradeProtocol):
            protocol.keep_early(early)

    def _refuse_version(self) -> None:
        body = json_encoder.encode(error_event(ErrorCode.VALIDATION_ERROR, _VERSION_MESSAGE))
        head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()
