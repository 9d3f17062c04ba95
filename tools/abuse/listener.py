"""A connection of the hostile account, which decodes only the needed fields of events."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec
import picows

from tools.bench.peer import Peer

SEND_BUFFER_BYTES: Final = 128 * 1024


class Heard(msgspec.Struct):
    """The fields of an event that are decoded."""

    type: str
    payload: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    cursor: str | None = None


_decode: Final = msgspec.json.Decoder(Heard).decode


class Listener(Peer):
    """Calls `note` with each answer: an event's type, an error's code, or `close <code>`.

    `seqs`: the sequence numbers of the account's own messages. `cursor`: sent with the handshake, then the last one seen.
    `last_bytes`: the length of the last frame that was sent.
    """

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        super().__init__(name)
        self.seqs: list[int] = []
        self.last_bytes = 0
        self.greeted = asyncio.Event()
        self.ended = asyncio.Event()
        self._anything = asyncio.Event()
        self._note = note

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Have little wait in this machine's kernel: what an attack sends shall be on its way."""
        super().on_ws_connected(transport)
        connected = transport.underlying_transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def unsent_bytes(self) -> int:
        """Return the bytes that were not sent yet."""
        return 0 if self.transport is None else int(self.transport.underlying_transport.get_write_buffer_size())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame came."""
        if frame.msg_type is picows.WSMsgType.CLOSE:
            self._note(f"close {frame.get_close_code():d}")
            transport.disconnect(graceful=False)
        elif frame.msg_type is picows.WSMsgType.TEXT:
            self._on_text(_decode(frame.get_payload_as_memoryview()))

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The connection ended."""
        super().on_ws_disconnected(transport)
        self.ended.set()

    async def heard(self) -> None:
        """Wait for the next event."""
        self._anything.clear()
        await self._anything.wait()

    def ping(self, payload: bytes) -> None:
        """Send a ping frame. Raises ConnectionError without a connection."""
        if self.transport is None:
            raise ConnectionError(f"{self.name} lost its connection")
        self.transport.send_ping(payload)

    def _on_text(self, event: Heard) -> None:
        self._anything.set()
        self._note(event.type if event.error is None else str(event.error["code"]))
        if event.cursor is not None:
            self.cursor = event.cursor
        if event.type == "connection.success" and event.payload is not None:
            self.cursor = event.payload["cursor"]
            self.greeted.set()
        if event.type == "message.sent" and event.payload is not None:
            self.seqs.append(event.payload["message"]["seq"])
