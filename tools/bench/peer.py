"""One browser's connection, as cheap as can be: its frames are a browser's, its events are read no further than needed."""

import random
import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec
import picows
from picows.url import WSParsedURL

from tools.bench.target import Target

SOCKET_PATH: Final = "/chat/ws"
HANDSHAKE_SECONDS: Final = 30
SOURCES: Final = 200
"""Source addresses 127.0.1.1 … so many: each has its own range of ephemeral ports."""


class SeenMessage(msgspec.Struct, rename="camel"):
    """What is read of a message."""

    conversation_id: str
    seq: int
    content: str


class SeenPayload(msgspec.Struct, rename="camel"):
    """What is read of any payload."""

    temp_id: str | None = None
    message: SeenMessage | None = None
    recovered: bool | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    cursor: str | None = None


class SeenEvent(msgspec.Struct):
    """What is read of any event."""

    type: str
    payload: SeenPayload | None = None
    cursor: str | None = None
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(SeenEvent).decode

OnEvent = Callable[["Peer", SeenEvent], None]


class Peer(picows.WSListener):
    """One connection. `on_event` is called with each event."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_event: OnEvent = ignore
        self.on_end: Callable[[Peer], None] = ignore_end
        self.cursor: str | None = None
        self.transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The handshake is done."""
        self.transport = transport

    def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame came."""
        if frame.msg_type is not picows.WSMsgType.TEXT:
            return
        event = _decode(frame.get_payload_as_memoryview())
        if event.cursor is not None:
            self.cursor = event.cursor
        self.on_event(self, event)

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        """The connection ended."""
        self.transport = None
        self.on_end(self)

    def send(self, text: bytes) -> None:
        """Send a text frame. Raises ConnectionError without a connection."""
        if self.transport is None:
            raise ConnectionError(f"{self.name} lost its connection")
        self.transport.send(picows.WSMsgType.TEXT, text)

    def cut(self) -> None:
        """Break the connection without a close frame."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    async def connect(self, target: Target, token: str) -> None:
        """Connect as a browser does: token in the subprotocol, Origin, and the last cursor. Raises picows.WSError, OSError."""
        query = "" if self.cursor is None else f"?cursor={self.cursor}"
        made: list[socket.socket] = []

        def source(url: WSParsedURL) -> socket.socket | None:
            bound = _source(url)
            made.extend([] if bound is None else [bound])
            return bound

        try:
            await picows.ws_connect(
                lambda: self,
                target.socket_url + query,
                websocket_handshake_timeout=HANDSHAKE_SECONDS,
                extra_headers={
                    "Origin": target.origin,
                    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0",
                    "Accept-Language": "en-US,en;q=0.9",
                    "Sec-WebSocket-Protocol": f"chat.v1, bearer.{token}",
                },
                read_buffer_init_size=1024,
                socket_factory=source,
            )
        except BaseException:
            # Nobody else closes it when the handshake is cancelled.
            for bound in made:
                bound.close()
            raise


def ignore(_peer: Peer, _event: SeenEvent) -> None:
    """Do nothing with an event."""


def ignore_end(_peer: Peer) -> None:
    """Do nothing when a connection ends."""


def _source(url: WSParsedURL) -> socket.socket | None:
    """A socket bound to one of many loopback addresses: 28,000 ephemeral ports each (`ip_local_port_range`)."""
    if url.host != "127.0.0.1":
        return None
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The port is chosen at connect, when the other end is known (ip(7), IP_BIND_ADDRESS_NO_PORT).
    bound.setsockopt(socket.IPPROTO_IP, 24, 1)
    bound.bind((f"127.0.1.{random.randint(1, SOURCES)}", 0))  # noqa: S311 - spreads ports
    bound.setblocking(False)
    return bound
