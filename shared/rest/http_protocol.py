"""HTTP connections with time limits for receiving a request, a size limit for headers, and answers that arrive.

Requests that arrive at the same moment start one after the other. Even a refusal costs the event loop a quarter of a millisecond,
so a crowd of 150 connections that are all refused would stop everything else of the process for 40 ms.

A request may be answered before its whole body is here: it is too large, or the path is unknown. A connection that is closed
then loses the answer: the kernel sends a reset for bytes that nobody has read, and a reset deletes what the client has not read
yet. So the rest of the body is received and dropped, up to a number of bytes and a time, before the connection is closed (RFC
9112, section 9.6).
"""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from shared.pace import Pace

HEADER_SECONDS: Final = 10.0
"""A request's headers must arrive within this time."""
REQUEST_SECONDS: Final = 20.0
"""Its body must arrive within this time, so that a slow client can't hold a connection forever."""
STREAM_SECONDS: Final = 3_700.0
"""The same for services that read long bodies as streams. The readers have shorter limits of their own."""
DROP_SECONDS: Final = 10.0
"""After an early answer, the rest of the body must arrive within this time."""
MAX_DROPPED_BYTES: Final = 16 * 1024 * 1024
"""… and be no larger than this."""
MAX_DROPPED_STREAM_BYTES: Final = 64 * 1024 * 1024
"""The same for services that read long bodies as streams."""
MAX_HEADER_BYTES: Final = 32 * 1024
PROCESS_STARTS_A_SECOND: Final = 2_000
"""So many requests of all connections start in a second, more than a process can answer."""
PROCESS_STARTS_AT_ONCE: Final = 4
"""Of these, how many may start at the same moment."""
MAX_TURN_SECONDS: Final = 0.25
"""Where more requests come than that, none waits longer than this for the requests before it."""

HEAD_END: Final = b"\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _RequestTransport(asyncio.Transport):
    """The transport as the request under way sees it: `close` waits for the rest of the body."""

    def __init__(self, protocol: "HttpProtocol") -> None:
        super().__init__()
        self._protocol = protocol
        self.write = protocol.transport.write  # type: ignore[method-assign]
        self.is_closing = protocol.transport.is_closing  # type: ignore[method-assign]

    def close(self) -> None:
        """Close the connection as soon as the whole request has arrived."""
        self._protocol.close_after_body()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with time limits for a request's headers and body, and a size limit for its headers.

    It receives and drops the rest of a body that is answered early. Requests of all connections of a process take turns.
    """

    _turns: ClassVar = Pace(PROCESS_STARTS_A_SECOND, PROCESS_STARTS_AT_ONCE, MAX_TURN_SECONDS)

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
        self._dropped_bytes = 0
        self._close_after_body = False
        self._expects_request = True
        self._held = b""
        self._turn: asyncio.TimerHandle | None = None

    def max_dropped_bytes(self) -> int:
        """Return how many bytes of a body are received after its request was answered."""
        return MAX_DROPPED_BYTES

    def request_seconds(self) -> float:
        """Return how long the body of the current request may take."""
        return REQUEST_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its first request must follow."""
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(HEADER_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self.stop_timers()
        if self._turn is not None:
            self._turn.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request; its first part when it is its turn."""
        if self._expects_request:
            self._expects_request = False
            wait = self._turns.wait(None, self.loop.time())
            if wait > 0 and not self._turns.is_too_long(wait):
                self.transport.pause_reading()
                self._held = data
                self._turn = self.loop.call_later(wait, self._begin)
                return
        self.parse(data)

    def _begin(self) -> None:
        """Parse the first part of a request that waited for its turn."""
        self._turn = None
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.parse(self._held)
        self._held = b""

    def shutdown(self) -> None:
        """The server stops: answer the request under way, also one that waits for its turn, and close the connection."""
        if self._turn is not None:
            self._turn.cancel()
            self._begin()
        super().shutdown()

    def parse(self, data: bytes) -> None:
        """Parse a part of a request, unless its headers are too large."""
        if self._header_timer is not None:
            # Bytes after the headers in the same packet aren't counted.
            end = data.find(HEAD_END)
            self._header_bytes += len(data) if end < 0 else end
            if self._header_bytes > MAX_HEADER_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins: start the timer of its headers."""
        super().on_message_begin()
        self._header_bytes = 0
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """The headers have arrived: start the timer of the body."""
        self.stop_timers()
        super().on_headers_complete()
        self._body_timer = self.loop.call_later(self.request_seconds(), self.transport.abort)
        if self.cycle is not None:
            self.cycle.transport = _RequestTransport(self)

    def on_body(self, body: bytes) -> None:
        """A part of the body has arrived: drop it if the request is answered already."""
        if self.cycle is None or not self.cycle.response_complete:
            super().on_body(body)
            return
        self._dropped_bytes += len(body)
        if self._dropped_bytes > self.max_dropped_bytes():
            self.transport.abort()

    def on_message_complete(self) -> None:
        """The whole request has arrived."""
        self.stop_timers()
        self._expects_request = True
        super().on_message_complete()
        if self._close_after_body:
            self.transport.close()

    def on_response_complete(self) -> None:
        """The request is answered: the rest of its body, if any, gets a shorter time."""
        super().on_response_complete()
        if self._body_timer is not None and self.cycle.response_complete:
            self.stop_timers()
            self._dropped_bytes = 0
            self._body_timer = self.loop.call_later(DROP_SECONDS, self.transport.abort)

    def close_after_body(self) -> None:
        """Close the connection when the whole request has arrived, at once if it has."""
        if self._body_timer is None:
            self.transport.close()
        else:
            self._close_after_body = True

    def stop_timers(self) -> None:
        """Stop the timers of the request."""
        for timer in (self._header_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._body_timer = None


class StreamHttpProtocol(HttpProtocol):
    """The same for services that accept long bodies. The app limits the time of short ones (`BodyLimit`)."""

    def request_seconds(self) -> float:
        """Return a bit more than an hour."""
        return STREAM_SECONDS

    def max_dropped_bytes(self) -> int:
        """Return more than an upload has by default."""
        return MAX_DROPPED_STREAM_BYTES
