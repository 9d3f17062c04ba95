"""AMQP 0-9-1 on the hot path: the frames that carry messages, read and written where they meet the socket.

aio-pika opens the connection and its channel, declares, consumes, keeps the heartbeat and closes. Messages, confirms and
acknowledgements go past it, without a task or a queue for each (docs/decisions/0018-message-frames-bypass-aio-pika.md).

Frames and fields: AMQP 0-9-1 specification, 2.3 «Frames» and 4.2 «Low-level wire format»
(https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf), and RabbitMQ's `basic.nack` and publisher confirms.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

import aiormq.connection
import pamqp.encode
import pamqp.header
from aiormq.exceptions import AMQPError
from yarl import URL

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
_FRAME_KINDS: Final = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
_FRAME_END: Final = 0xCE
_BASIC: Final = 60
"""The class of all methods here; a method's payload begins with its class and its own number."""
_PUBLISH, _RETURN, _DELIVER, _ACK, _REJECT, _NACK = (
    struct.pack(">HH", _BASIC, method) for method in (40, 50, 60, 80, 90, 120)
)

_frame_head: Final = struct.Struct(">BHI")
"""Kind, channel, size of the payload. An octet, `_FRAME_END`, comes behind the payload."""
_FRAME_EXTRA: Final = _frame_head.size + 1
_content_head: Final = struct.Struct(">HHQ")
"""Class, weight, size of the body. The properties come next."""
_tag_and_bit: Final = struct.Struct(">Q?")
"""A delivery tag, and a bit: all before it too; or it is redelivered; or it shall go back to the queue."""
_HEARTBEAT_FRAME: Final = _frame_head.pack(HEARTBEAT, 0, 0) + bytes([_FRAME_END])

_MULTIPLE: Final = 1
_MANDATORY: Final = 1
_HAS_HEADERS: Final = 1 << 13
_HAS_DELIVERY_MODE: Final = 1 << 12
_HAS_EXPIRATION: Final = 1 << 8
_HAS_MESSAGE_ID: Final = 1 << 7
_TRANSIENT, _PERSISTENT = b"\x01", b"\x02"

SIGN_OF_LIFE_SECONDS: Final = 1.0
"""aiormq takes a connection for dead when it sees no frame of it, so it is shown one at least so often."""


class Refused(AMQPError):
    """The broker didn't take a message: the queue is full, or there is none."""


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
        return _properties_of(self._properties).headers or {}

    def names(self, header: str) -> bool:
        """Whether this header is there: a look at the bytes costs far less than `headers`."""
        return header.encode() in self._properties

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
        self._body_bytes = frame_bytes - _FRAME_EXTRA if frame_bytes else 1 << 31

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
        socket.write(self._content(queue, body, _properties(persistent, expiration, headers, str(tag))))
        await confirmed

    def ack(self, tag: int, *, all_before: bool) -> None:
        """Acknowledge a delivery. Raises ConnectionError."""
        self._open_socket().write(_frame(METHOD, self._channel, _ACK + _tag_and_bit.pack(tag, all_before)))

    def reject(self, tag: int) -> None:
        """Refuse a delivery for good. Raises ConnectionError."""
        self._open_socket().write(_frame(METHOD, self._channel, _REJECT + _tag_and_bit.pack(tag, False)))

    def _open_socket(self) -> asyncio.Transport:
        if self._socket is None or self._socket.is_closing():
            raise ConnectionError("the connection was closed")
        return self._socket

    def _content(self, queue: str, body: bytes, properties: bytes) -> bytes:
        """The frames of a message: method, header, and a body that may take several."""
        frames = [
            _publish_frame(self._channel, queue),
            _frame(HEADER, self._channel, _content_head.pack(_BASIC, 0, len(body)) + properties),
        ]
        starts = range(0, len(body), self._body_bytes)
        frames += [_frame(BODY, self._channel, body[start : start + self._body_bytes]) for start in starts]
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
        if not self._splits:
            super().data_received(data)
            return
        data = self._rest + data if self._rest else data
        at, length = 0, len(data)
        while length - at >= _FRAME_EXTRA:
            kind, _, size = _frame_head.unpack_from(data, at)
            end = at + _FRAME_EXTRA + size
            if kind not in _FRAME_KINDS or (end <= length and data[end - 1] != _FRAME_END):
                # Not AMQP 0-9-1, as the answer to another version's greeting is: aiormq has the words for it.
                self._splits = False
                super().data_received(data[at:])
                return
            if end > length:
                break
            if self._take(kind, data[at + _frame_head.size : end - 1]):
                self._show_life()
            else:
                super().data_received(data[at:end])
            at = end
        self._rest = data[at:]

    def _take(self, kind: int, payload: bytes) -> bool:
        """Handle a frame, if it is one of ours."""
        if kind == METHOD:
            method = payload[:4]
            if method in {_DELIVER, _RETURN}:
                self._incoming = _Incoming(payload)
            elif method == _ACK:
                self._confirm(*_tag_and_bit.unpack_from(payload, 4), taken=True)
            elif method == _NACK:
                tag, bits = struct.unpack_from(">QB", payload, 4)
                self._confirm(tag, bool(bits & _MULTIPLE), taken=False)
            else:
                return False
            return True
        incoming = self._incoming
        if incoming is None or kind == HEARTBEAT:
            return False
        if kind == HEADER:
            incoming.wanted = _content_head.unpack_from(payload)[2]
            incoming.properties = payload[_content_head.size :]
        else:
            incoming.parts.append(payload)
            incoming.wanted -= len(payload)
        if incoming.wanted == 0:
            self._incoming = None
            self._complete(incoming)
        return True

    def _complete(self, incoming: _Incoming) -> None:
        """All frames of a message are there."""
        if incoming.method.startswith(_RETURN):
            self._settle(int(_properties_of(incoming.properties).message_id or 0), Refused("there is no such queue"))
            return
        body = incoming.parts[0] if len(incoming.parts) == 1 else b"".join(incoming.parts)
        tag, redelivered = _tag_and_bit.unpack_from(incoming.method, 5 + incoming.method[4])
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
            super().data_received(_HEARTBEAT_FRAME)


class Transport(aiormq.connection.TransportFactory):
    """Connects as aiormq does, with `MessageFrames` below it. Makes one connection."""

    def __init__(self) -> None:
        self.frames: MessageFrames

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        tls: aiormq.connection.SSLContextProvider = kwargs.pop("ssl_context_provider")
        context = await tls.get_context() if url.scheme == "amqps" else None
        reader = asyncio.StreamReader(loop=loop)
        self.frames = MessageFrames(reader)
        transport, _ = await loop.create_connection(
            lambda: self.frames, url.host or "", url.port or 0, ssl=context, **kwargs
        )
        return reader, asyncio.StreamWriter(transport, self.frames, reader, loop)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"%b%b\xce" % (_frame_head.pack(kind, channel, len(payload)), payload)


@lru_cache(maxsize=64)
def _publish_frame(channel: int, queue: str) -> bytes:
    """`basic.publish` to the default exchange; what has no queue is to be returned."""
    reserved, exchange = b"\x00\x00", pamqp.encode.short_string("")
    return _frame(
        METHOD, channel, _PUBLISH + reserved + exchange + pamqp.encode.short_string(queue) + bytes([_MANDATORY])
    )


def _properties(persistent: bool, expiration: str | None, headers: Mapping[str, str] | None, message_id: str) -> bytes:
    """Flags and values of a message's properties, in the order of their flags. A returned message is known by its id."""
    flags = _HAS_DELIVERY_MODE | _HAS_MESSAGE_ID
    values = b""
    if headers:
        flags |= _HAS_HEADERS
        values = pamqp.encode.field_table(dict(headers))
    values += _PERSISTENT if persistent else _TRANSIENT
    if expiration is not None:
        flags |= _HAS_EXPIRATION
        values += pamqp.encode.short_string(expiration)
    return flags.to_bytes(2, "big") + values + pamqp.encode.short_string(message_id)


def _properties_of(encoded: bytes) -> Any:
    header = pamqp.header.ContentHeader()
    header.unmarshal(_content_head.pack(_BASIC, 0, 0) + encoded)
    return header.properties
