"""The frames that carry messages, read and written where they meet the socket: the hot path.

aio-pika opens the connection and its channel, declares, consumes, keeps the heartbeat and closes. Messages, confirms and
acknowledgements bypass it, without a task or a queue for each (docs/decisions/0018-message-frames-bypass-aio-pika.md).
"""

import asyncio
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from shared.protocol.topology import DELIVERY_COUNT_HEADER
from shared.rabbitmq.errors import Refused, Unroutable
from shared.rabbitmq.wire import (
    ACK,
    BASIC,
    BLOCKED,
    BODY,
    CONTENT_HEAD,
    DELIVER,
    FRAME_END,
    FRAME_EXTRA,
    FRAME_HEAD,
    FRAME_KINDS,
    HEADER,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    METHOD,
    MULTIPLE,
    NACK,
    REJECT,
    RETURN,
    TAG_AND_BIT,
    UNBLOCKED,
    decode_properties,
    encode_properties,
    frame,
    publish_frame,
)

SIGN_OF_LIFE_SECONDS: Final = 1.0
"""aiormq takes a connection for dead when it sees no frame of it, so it is shown one at least so often."""


class Delivery:
    """A message as the broker delivered it, to be settled once, with `ack` or `reject`. `at`: monotonic seconds."""

    __slots__ = ("_frames", "_properties", "at", "body", "redelivered", "tag")

    def __init__(self, frames: "MessageFrames", tag: int, properties: bytes, body: bytes, *, redelivered: bool) -> None:
        self._frames = frames
        self._properties = properties
        self.tag = tag
        self.body = body
        self.redelivered = redelivered
        self.at = time.monotonic()

    @property
    def headers(self) -> Mapping[str, Any]:
        """The message's headers, decoded anew at each call."""
        return decode_properties(self._properties).headers or {}

    def names(self, header: str) -> bool:
        """Whether this header is there: a look at the bytes costs far less than `headers`."""
        return header.encode() in self._properties

    @property
    def delivery_count(self) -> int:
        """How often a quorum queue delivered it before, and nobody settled it."""
        if not self.redelivered or not self.names(DELIVERY_COUNT_HEADER):
            return 0
        return int(self.headers.get(DELIVERY_COUNT_HEADER) or 0)

    @property
    def lost(self) -> bool:
        """True when its connection is gone: the broker delivers it again."""
        return not self._frames.attached

    def ack(self, *, all_before: bool = False) -> None:
        """It is done, and with `all_before` whatever its channel delivered before it. Raises ConnectionError."""
        self._frames.ack(self.tag, all_before=all_before)

    def reject(self) -> None:
        """It can't be handled: the broker moves it to the dead letters. Raises ConnectionError."""
        self._frames.reject(self.tag)


class _Incoming:
    """A delivery, or a returned message, of which not all frames are there."""

    __slots__ = ("method", "parts", "properties", "wanted")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.properties = b""
        self.parts: list[bytes] = []
        self.wanted = -1


class MessageFrames(asyncio.StreamReaderProtocol):
    """The protocol below an aiormq connection with one channel: takes deliveries and confirms out of what the broker
    sends, leaves everything else to aiormq, and writes messages and acknowledgements beside it.

    Deliveries go to `on_delivery`, in order. `open` says what the channel is, once there is one.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.on_delivery: Callable[[Delivery], None] = lambda _: None
        self.blocked = False
        """True while a memory or disk alarm makes the broker refuse publishers."""
        self.heard_at = 0.0
        """When the broker last sent anything, by the loop's clock."""
        self._socket: asyncio.Transport | None = None
        self._loop_time = asyncio.get_running_loop().time
        self._rest = b""
        self._splits = True
        self._shown_at = 0.0
        self._incoming: _Incoming | None = None
        self._channel = 0
        self._body_bytes = 0
        self._published = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}

    def open(self, channel: int, frame_bytes: int) -> None:
        """Messages go by this channel, in frames of at most so many bytes (0: no limit)."""
        self._channel = channel
        self._body_bytes = frame_bytes - FRAME_EXTRA if frame_bytes else 1 << 31

    @property
    def attached(self) -> bool:
        """True while frames can go to the broker."""
        return self._socket is not None and not self._socket.is_closing()

    def detach(self) -> None:
        """Nothing more is delivered, and whoever waits for a confirm gets ConnectionError."""
        self.on_delivery = lambda _: None
        self._socket = None
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed in unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(ConnectionError("the connection was closed"))

    def abort(self) -> None:
        """Cut the connection without a word to the broker, which may be silent."""
        if self._socket is not None:
            self._socket.abort()

    # --- to the broker ---------------------------------------------------------------------------------------------------

    async def publish(
        self,
        queue: str,
        body: bytes,
        *,
        persistent: bool,
        expiration_seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish to a queue and wait for the confirm. Raises Refused, or ConnectionError: then the outcome is unknown.

        Has no limit in time: the caller has one. Whoever stops waiting knows nothing of the outcome.
        """
        socket = self._open_socket()
        self._published = tag = self._published + 1
        confirmed = self._unconfirmed[tag] = asyncio.get_running_loop().create_future()
        expiration = None if expiration_seconds is None else str(int(expiration_seconds * 1000))
        socket.write(self._content(queue, body, encode_properties(persistent, expiration, headers, str(tag))))
        await confirmed

    def ack(self, tag: int, *, all_before: bool) -> None:
        """Acknowledge a delivery. Raises ConnectionError."""
        self._open_socket().write(frame(METHOD, self._channel, ACK + TAG_AND_BIT.pack(tag, all_before)))

    def reject(self, tag: int) -> None:
        """Refuse a delivery for good. Raises ConnectionError."""
        self._open_socket().write(frame(METHOD, self._channel, REJECT + TAG_AND_BIT.pack(tag, False)))

    def _open_socket(self) -> asyncio.Transport:
        if self._socket is None or self._socket.is_closing():
            raise ConnectionError("the connection was closed")
        return self._socket

    def _content(self, queue: str, body: bytes, properties: bytes) -> bytes:
        """The frames of a message: method, header, and a body that may take several."""
        frames = [
            publish_frame(self._channel, queue),
            frame(HEADER, self._channel, CONTENT_HEAD.pack(BASIC, 0, len(body)) + properties),
        ]
        starts = range(0, len(body), self._body_bytes)
        frames += [frame(BODY, self._channel, body[start : start + self._body_bytes]) for start in starts]
        return b"".join(frames)

    # --- from the broker -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Disconnected."""
        super().connection_lost(exc)
        self.detach()

    def data_received(self, data: bytes) -> None:
        """Split into frames."""
        self.heard_at = self._loop_time()
        if not self._splits:
            super().data_received(data)
            return
        data = self._rest + data if self._rest else data
        at, length = 0, len(data)
        while length - at >= FRAME_EXTRA:
            kind, _, size = FRAME_HEAD.unpack_from(data, at)
            end = at + FRAME_EXTRA + size
            if kind not in FRAME_KINDS or (end <= length and data[end - 1] != FRAME_END):
                # Not AMQP 0-9-1, as the answer to another version's greeting is: aiormq has the words for it.
                self._splits = False
                super().data_received(data[at:])
                return
            if end > length:
                break
            if self._take(kind, data[at + FRAME_HEAD.size : end - 1]):
                self._show_life()
            else:
                super().data_received(data[at:end])
            at = end
        self._rest = data[at:]

    def _take(self, kind: int, payload: bytes) -> bool:
        """Handle a frame, if it is one of ours."""
        if kind == METHOD:
            method = payload[:4]
            if method in {DELIVER, RETURN}:
                self._incoming = _Incoming(payload)
            elif method == ACK:
                self._confirm(*TAG_AND_BIT.unpack_from(payload, 4), taken=True)
            elif method == NACK:
                tag, bits = struct.unpack_from(">QB", payload, 4)
                self._confirm(tag, bool(bits & MULTIPLE), taken=False)
            else:
                if method in {BLOCKED, UNBLOCKED}:
                    self.blocked = method == BLOCKED
                return False
            return True
        incoming = self._incoming
        if incoming is None or kind == HEARTBEAT:
            return False
        if kind == HEADER:
            incoming.wanted = CONTENT_HEAD.unpack_from(payload)[2]
            incoming.properties = payload[CONTENT_HEAD.size :]
        else:
            incoming.parts.append(payload)
            incoming.wanted -= len(payload)
        if incoming.wanted == 0:
            self._incoming = None
            self._complete(incoming)
        return True

    def _complete(self, incoming: _Incoming) -> None:
        """All frames of a message are there."""
        if incoming.method.startswith(RETURN):
            published = int(decode_properties(incoming.properties).message_id or 0)
            self._settle(published, Unroutable("there is no such queue"))
            return
        body = incoming.parts[0] if len(incoming.parts) == 1 else b"".join(incoming.parts)
        tag, redelivered = TAG_AND_BIT.unpack_from(incoming.method, 5 + incoming.method[4])
        self.on_delivery(Delivery(self, tag, incoming.properties, body, redelivered=redelivered))

    def _confirm(self, tag: int, multiple: bool, *, taken: bool) -> None:
        """The broker has stored messages, or refuses them. What it returned before is settled already."""
        error = None if taken else Refused("the queue is full, or gone")
        if multiple:
            for older in [one for one in self._unconfirmed if one < tag]:
                self._settle(older, error)
        self._settle(tag, error)

    def _settle(self, tag: int, error: Refused | None) -> None:
        confirmed = self._unconfirmed.pop(tag, None)
        if confirmed is None or confirmed.done():
            return
        if error is None:
            confirmed.set_result(None)
        else:
            confirmed.set_exception(error)

    def _show_life(self) -> None:
        """Show aiormq a frame, as often as it needs: RabbitMQ sends no heartbeat while it sends messages."""
        now = self._loop_time()
        if now - self._shown_at >= SIGN_OF_LIFE_SECONDS:
            self._shown_at = now
            super().data_received(HEARTBEAT_FRAME)
