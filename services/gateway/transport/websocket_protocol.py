"""The WebSocket protocol of the gateway: uvicorn's, with a fast path for text frames, which are nearly all traffic.

Until a connection is attached it is a plain ASGI WebSocket. Once the endpoint has attached a `Listener`, the ASGI
application ends, whole text frames go straight to the listener, and what the gateway writes goes straight to the
transport, without a task, a queue or an ASGI message. Every other frame takes the path of uvicorn and websockets.
"""

import asyncio
import time
from typing import Any, Final, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import CloseCode as WebSocketCode
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.speedups import apply_mask

from services.gateway.rate_limit import Flood
from services.gateway.transport import frames
from services.gateway.transport.reading import Reading
from services.gateway.transport.send_buffer import HIGH_WATER_BYTES, SendBuffer
from services.gateway.transport.upgrade import UpgradeProtocol

MAX_CONTROL_FRAMES: Final = 20
"""Pings and pongs a second; more end the connection."""
MAX_PARTS: Final = 1024
"""Fragments of messages a second before the peer has to wait, and of one message before they are joined."""


class Listener(Protocol):
    """Receives what an attached socket reports."""

    def on_text(self, data: bytes) -> None:
        """A whole text message; `data` is valid UTF-8."""

    def on_binary(self) -> None:
        """A whole binary message; the protocol has none."""

    def on_ping(self) -> None:
        """A ping, which is answered already."""

    def on_pong(self) -> None:
        """A pong, solicited or not."""

    def on_paused(self) -> None:
        """The peer reads too slowly: nothing can be written now."""

    def on_resumed(self) -> None:
        """The peer has taken everything that was written."""

    def on_lost(self, code: int | None, clean: bool) -> None:
        """The connection ended; called once. `code`: the close code that ended it; `clean`: by a close handshake of the peer."""


class GatewayProtocol(UpgradeProtocol):
    """One socket. Pass the class as `uvicorn.Config(ws=GatewayProtocol)`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._splitter = frames.FrameSplitter(config.ws_max_size)
        self._listener: Listener | None = None
        self._send_buffer: SendBuffer | None = None
        self._control_frames = Flood(MAX_CONTROL_FRAMES)
        self._parts = Flood(MAX_PARTS)
        self.reading = Reading(self)

    # --- what the gateway does with an attached connection ---------------------------------------------------------

    def attach(self, listener: Listener) -> bool:
        """Hand the accepted connection to `listener`. False when the peer has gone already."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        self._attached = True
        self._listener = listener
        self._send_buffer = SendBuffer(self.transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        # An idle connection drops what its handshake needed, which is half of its memory.
        del self.scope, self.request, self.response
        self.app = None
        if self._early:
            # After `connection.success`, and before anything that is read from now on.
            self.loop.call_soon(self.data_received, b"")
        return True

    @property
    def send_buffer(self) -> SendBuffer:
        """Where events are written. Only an attached connection has one."""
        assert self._send_buffer is not None
        return self._send_buffer

    @property
    def has_room(self) -> bool:
        """True when the peer reads fast enough for answers."""
        return self._send_buffer is None or not self._send_buffer.full

    def ping(self) -> bool:
        """Send a ping. False when the connection is ending, or the peer doesn't read."""
        if self.close_sent or self.send_buffer.paused_at is not None or self.transport.is_closing():
            return False
        self.conn.send_ping(b"")
        self._write_pending()
        return True

    def close_with(self, code: int) -> None:
        """Begin the close handshake. The listener learns of the end at once; the socket is closed within `CLOSE_SECONDS`."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(code)
        self._write_pending()
        self.close_sent = True
        self.abort_soon()
        self._notify_lost(code, clean=False)

    # --- what the transport reports ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Cut received bytes into frames: text goes to the listener, everything else to the parser."""
        if not self.handshake_complete:
            super().data_received(data)
            return
        if self._early and self._attached:
            data, self._early = self._early + data, b""
        self.handle(self._splitter.feed(data))

    def handle(self, pieces: list[frames.Piece]) -> None:
        """Handle frames, and bytes that are no whole frame. While reading is paused, they are kept for later."""
        for place, (first, frame, start) in enumerate(pieces):
            if not self.reading.on:
                self.reading.unread = pieces[place:]
                return
            if first == frames.FINAL_TEXT and self.conn.current_size is None and self.conn.state is OPEN:
                self._on_text(apply_mask(frame[start:], frame[start - 4 : start]))
            else:
                self._parse(first, frame)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        super().pause_writing()
        if self._send_buffer is not None and self._listener is not None:
            self._send_buffer.pause(time.monotonic())
            self._listener.on_paused()

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        super().resume_writing()
        if self._send_buffer is not None and self._send_buffer.resume() and self._listener is not None:
            self._listener.on_resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._notify_lost(None, clean=False)
        super().connection_lost(exc)

    # --- what the library's parser reports ---------------------------------------------------------------------------------

    def send_receive_event_to_app(self) -> None:
        """A whole message that came in fragments, or without a listener."""
        whole = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        text = self.curr_msg_data_type == "text"
        if text and not _is_utf8(whole):
            self.frames = []
            self._refuse_encoding()
        elif self._listener is None:
            super().send_receive_event_to_app()
        else:
            self.frames = []
            if text:
                self._listener.on_text(whole)
            else:
                self._listener.on_binary()

    def handle_cont(self, event: Frame) -> None:
        """A fragment of a message. Fragments are limited in number, because even a fragment of one byte takes much memory."""
        if len(self.frames) >= MAX_PARTS:
            self.frames = [b"".join(self.frames)]
        if self._listener is not None and self._parts.exceeded(self.loop.time()):
            self.reading.pause()
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer with a pong, unless the peer doesn't read its pongs or sends too many pings."""
        if self._is_flood() or self.transport.is_closing() or not self.writable.is_set():
            self.conn.data_to_send()
            return
        super().handle_ping()
        if self._listener is not None:
            self._listener.on_ping()

    def handle_pong(self, event: Frame) -> None:
        """A sign of life, solicited or not."""
        super().handle_pong(event)
        if not self._is_flood() and self._listener is not None:
            self._listener.on_pong()

    def handle_close(self, event: Frame) -> None:
        """The peer closes, or answers our close frame."""
        code = None if self.conn.close_rcvd is None else int(self.conn.close_rcvd.code)
        super().handle_close(event)
        self.transport.close()
        self.abort_soon()
        self._notify_lost(code, clean=True)

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol: send a close frame, and end only our side of the connection.

        Closing both sides while the peer's bytes are unread would send a reset, and the peer might never see the close frame.
        """
        assert self.conn.close_sent is not None
        code = int(self.conn.close_sent.code)
        self._failed = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": self.conn.close_sent.reason})
        self._write_pending()
        self.close_sent = True
        self.transport.write_eof()
        self.abort_soon()
        self._notify_lost(code, clean=False)

    # --- parts -----------------------------------------------------------------------------------------------------------

    def _on_text(self, data: bytes) -> None:
        if self._listener is not None and _is_utf8(data):
            self._listener.on_text(data)
        else:
            self.curr_msg_data_type = "text"
            self.frames = [data]
            self.send_receive_event_to_app()

    def _parse(self, first: int, data: bytes) -> None:
        """Hand a frame to websockets' parser."""
        if first & frames.OPCODE_BITS == frames.CLOSE and first != frames.UNFRAMED:
            # A close frame may stand between the fragments of a message (RFC 6455, section 5.4); websockets refuses it.
            self.conn.current_size = None
        if self.conn.parser_exc is None:
            super().data_received(data)

    def _refuse_encoding(self) -> None:
        self.conn.fail(WebSocketCode.INVALID_DATA)
        self.handle_parser_exception()

    def _is_flood(self) -> bool:
        """Count a control frame; a peer that sends too many is disconnected."""
        if not self._control_frames.exceeded(self.loop.time()):
            return False
        self._notify_lost(None, clean=False)
        self.transport.abort()
        return True

    def _write_pending(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))

    def _notify_lost(self, code: int | None, *, clean: bool) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_lost(code, clean)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
