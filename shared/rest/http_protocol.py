"""HTTP connections with time limits for receiving a request, and a size limit for headers."""

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEADER_SECONDS: Final = 10.0
"""A request's headers must arrive within this time."""
REQUEST_SECONDS: Final = 20.0
"""Its body must arrive within this time, so that a slow client can't hold a connection forever."""
STREAM_SECONDS: Final = 3_700.0
"""The same for services that read long bodies as streams. The readers have shorter limits of their own."""
MAX_HEADER_BYTES: Final = 32 * 1024

HEAD_END: Final = b"\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with time limits for a request's headers and body, and a size limit for its headers."""

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
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a request, unless its headers are too large."""
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

    def on_message_complete(self) -> None:
        """The whole request has arrived."""
        self.stop_timers()
        super().on_message_complete()

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
