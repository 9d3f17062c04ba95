"""HTTP connections that end when a request takes too long to arrive, or its headers are too large."""

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEADER_SECONDS: Final = 10.0
"""A request's headers must be here within this time."""
REQUEST_SECONDS: Final = 20.0
"""… and its body within this time; a byte a second must not hold a connection for ever."""
STREAM_SECONDS: Final = 3_700.0
"""The same for services that take bodies of any length as streams, which those who read them bound more closely."""
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
        """How long the body of the present request may take."""
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
            # What follows the headers in the same packet is none.
            end = data.find(HEAD_END)
            self._header_bytes += len(data) if end < 0 else end
            if self._header_bytes > MAX_HEADER_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins: its headers must be here soon."""
        super().on_message_begin()
        self._header_bytes = 0
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """The headers are here: the body must be, soon."""
        self.stop_timers()
        super().on_headers_complete()
        self._body_timer = self.loop.call_later(self.request_seconds(), self.transport.abort)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self.stop_timers()
        super().on_message_complete()

    def stop_timers(self) -> None:
        """Bound the request's time no more."""
        for timer in (self._header_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._body_timer = None


class StreamHttpProtocol(HttpProtocol):
    """The same for services that take long bodies: the app bounds the time of the others (`BodyLimit`)."""

    def request_seconds(self) -> float:
        """An hour."""
        return STREAM_SECONDS
