"""Reads and writes the AMQP frames of messages directly on the socket. This is the hot path.

aio-pika opens the connection and its channel, declares queues, starts consumers, sends heartbeats, and closes. Messages, confirms
and acknowledgements bypass it, so none of them needs a task or a queue
(docs/decisions/0018-message-frames-bypass-aio-pika.md).
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
"""aiormq closes a connection on which it sees no frames. So `MessageFrames` passes it a heartbeat frame at this interval."""


class Delivery:
    """A delivered message. Settle it once, with `ack` or `reject`. `at`: the time of its arrival, in monotonic seconds."""

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
        """The message's headers. Each call decodes them again."""
        return decode_properties(self._properties).headers or {}

    def names(self, header: str) -> bool:
        """Whether the message may have this header. It only searches the bytes, which costs far less than `headers`."""
        return header.encode() in self._properties

    @property
    def delivery_count(self) -> int:
        """How often a quorum queue has delivered the message before without its being settled."""
        if not self.redelivered or not self.names(DELIVERY_COUNT_HEADER):
            return 0
        return int(self.headers.get(DELIVERY_COUNT_HEADER) or 0)

    @property
    def lost(self) -> bool:
        """True when its connection has ended: the broker redelivers the message."""
        return not self._frames.attached

    def ack(self, *, all_before: bool = False) -> None:
        """Acknowledge the message; with `all_before`, also all earlier ones of its channel. Raises ConnectionError."""
        self._frames.ack(self.tag, all_before=all_before)

    def reject(self) -> None:
        """Have the broker move the message to the dead letters. Raises ConnectionError."""
        self._frames.reject(self.tag)


class _Incoming:
    """A delivery, or a returned message, of which some frames haven't arrived yet."""

    __slots__ = ("method", "parts", "properties", "wanted")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.properties = b""
        self.parts: list[bytes] = []
        self.wanted = -1


class MessageFrames(asyncio.StreamReaderProtocol):
    """The asyncio protocol of an aiormq connection with one channel.

    It handles the frames of deliveries and confirms itself, and passes all other frames to aiormq. It writes messages and
    acknowledgements to the same socket. `on_delivery` gets the deliveries, in order. `open` must be called when the channel is
    open.
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
        """Publish on this channel, in frames of at most `frame_bytes` bytes (0: no limit)."""
        self._channel = channel
        self._body_bytes = frame_bytes - FRAME_EXTRA if frame_bytes else 1 << 31

    @property
    def attached(self) -> bool:
        """True while frames can be sent to the broker."""
        return self._socket is not None and not self._socket.is_closing()

    def detach(self) -> None:
        """Deliver nothing more, and raise ConnectionError in all tasks that wait for a confirm."""
        self.on_delivery = lambda _: None
        self._socket = None
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed in unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(ConnectionError("the connection was closed"))

    def abort(self) -> None:
        """Drop the connection without closing it at the broker, which may not answer."""
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
        """Publish to a queue and wait for the confirm. Raises Refused; or ConnectionError, when the outcome is unknown.

        It waits without a time limit, so the caller must set one. When the caller stops waiting, the outcome is unknown.
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
        """Reject a delivery without requeueing it. Raises ConnectionError."""
        self._open_socket().write(frame(METHOD, self._channel, REJECT + TAG_AND_BIT.pack(tag, False)))

    def _open_socket(self) -> asyncio.Transport:
        if self._socket is None or self._socket.is_closing():
            raise ConnectionError("the connection was closed")
        return self._socket

    def _content(self, queue: str, body: bytes, properties: bytes) -> bytes:
        """Return the frames of a message: method, header, and one or several for the body."""
        frames = [
            publish_frame(self._channel, queue),
            frame(HEADER, self._channel, CONTENT_HEAD.pack(BASIC, 0, len(body)) + properties),
        ]
        starts = range(0, len(body), self._body_bytes)
        frames += [frame(BODY, self._channel, body[start : start + self._body_bytes]) for start in starts]
        return b"".join(frames)

    # --- from the broker -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to write to it."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End deliveries and waiting publishes."""
        super().connection_lost(exc)
        self.detach()

    def data_received(self, data: bytes) -> None:
        """Split the bytes into frames; handle each one here, or pass it to aiormq."""
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
                # Not a frame of AMQP 0-9-1: a server that wants another version answers so. aiormq raises a clear error for it.
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
        """Handle a frame that belongs to a message. False for all other frames."""
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
        """Deliver a message whose frames have all arrived, or fail the publish of a returned one."""
        if incoming.method.startswith(RETURN):
            published = int(decode_properties(incoming.properties).message_id or 0)
            self._settle(published, Unroutable("the queue doesn't exist"))
            return
        body = incoming.parts[0] if len(incoming.parts) == 1 else b"".join(incoming.parts)
        tag, redelivered = TAG_AND_BIT.unpack_from(incoming.method, 5 + incoming.method[4])
        self.on_delivery(Delivery(self, tag, incoming.properties, body, redelivered=redelivered))

    def _confirm(self, tag: int, multiple: bool, *, taken: bool) -> None:
        """Settle the publishes that the broker confirms or refuses. Those of returned messages are settled already."""
        error = None if taken else Refused("the queue is full, or doesn't exist")
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
        """Pass aiormq a heartbeat, at most once a second. RabbitMQ sends none while it sends messages, which bypass aiormq."""
        now = self._loop_time()
        if now - self._shown_at >= SIGN_OF_LIFE_SECONDS:
            self._shown_at = now
            super().data_received(HEARTBEAT_FRAME)
