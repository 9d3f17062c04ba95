"""One browser's connection, as cheap as possible: it sends a browser's frames, and decodes only the needed fields of events."""

import asyncio
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
import picows
from picows.url import WSParsedURL

from tools.bench.target import Target

SOCKET_PATH: Final = "/chat/ws"
HANDSHAKE_SECONDS: Final = 30
SOURCES: Final = 200
"""Number of source addresses, from 127.0.1.1 on: each has its own range of ephemeral ports."""


class SeenMessage(msgspec.Struct, rename="camel"):
    """The decoded fields of a message."""

    conversation_id: str
    seq: int
    content: str


class SeenPayload(msgspec.Struct, rename="camel"):
    """The decoded fields of a payload."""

    temp_id: str | None = None
    message: SeenMessage | None = None
    recovered: bool | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    cursor: str | None = None


class SeenEvent(msgspec.Struct):
    """The decoded fields of an event."""

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
        """Keep the transport after the handshake."""
        self.transport = transport

    def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Decode an event, keep its cursor, and call `on_event`."""
        if frame.msg_type is not picows.WSMsgType.TEXT:
            return
        event = _decode(frame.get_payload_as_memoryview())
        if event.cursor is not None:
            self.cursor = event.cursor
        self.on_event(self, event)

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        """Forget the transport, and call `on_end`."""
        self.transport = None
        self.on_end(self)

    def send(self, text: bytes) -> None:
        """Send a text frame. Raises ConnectionError without a connection."""
        if self.transport is None:
            raise ConnectionError(f"{self.name} lost its connection")
        self.transport.send(picows.WSMsgType.TEXT, text)

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    async def connect(self, target: Target, token: str) -> None:
        """Connect as a browser does: token in the subprotocol, Origin, and the last cursor. Raises picows.WSError, OSError."""
        query = "" if self.cursor is None else f"?cursor={self.cursor}"
        handed_over: list[socket.socket] = []

        async def source(url: WSParsedURL) -> socket.socket | None:
            bound = await _connected(url)
            handed_over.extend([] if bound is None else [bound])
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
            # When the handshake is cancelled, picows doesn't close the transport, which has the socket. If the socket were closed
            # under it, uvloop would never read from the next socket with the same number. So it is shut down: the transport sees
            # the end, and closes it.
            for bound in handed_over:
                with suppress(OSError):
                    bound.shutdown(socket.SHUT_RDWR)
            raise


def ignore(_peer: Peer, _event: SeenEvent) -> None:
    """Do nothing with an event."""


def ignore_end(_peer: Peer) -> None:
    """Do nothing when a connection ends."""


async def _connected(url: WSParsedURL) -> socket.socket | None:
    """Return a socket connected from one of many loopback addresses, which have 28,000 ephemeral ports each.

    (`ip_local_port_range`.) None: the address needs no such socket.
    """
    if url.host != "127.0.0.1":
        return None
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # The port is chosen at connect, when the other end is known (ip(7), IP_BIND_ADDRESS_NO_PORT).
        bound.setsockopt(socket.IPPROTO_IP, 24, 1)
        bound.bind((f"127.0.1.{random.randint(1, SOURCES)}", 0))  # noqa: S311 - spreads ports
        bound.setblocking(False)
        await asyncio.get_running_loop().sock_connect(bound, (url.host, url.port))
    except BaseException:
        bound.close()
        raise
    return bound
