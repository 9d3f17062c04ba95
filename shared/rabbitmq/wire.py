"""The byte layout of AMQP 0-9-1 for messages: frames, content headers and properties. All functions are pure.

Source: AMQP 0-9-1 specification, 2.3 «Frames» and 4.2 «Low-level wire format»
(https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf), and RabbitMQ's `basic.nack` and publisher confirms.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import pamqp.encode
import pamqp.header

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_KINDS: Final = frozenset({METHOD, HEADER, BODY, HEARTBEAT})
FRAME_END: Final = 0xCE
BASIC: Final = 60
"""The class of all methods here; a method's payload begins with its class and its own number."""
PUBLISH, RETURN, DELIVER, ACK, REJECT, NACK = (
    struct.pack(">HH", BASIC, method) for method in (40, 50, 60, 80, 90, 120)
)

BLOCKED, UNBLOCKED = (struct.pack(">HH", 10, method) for method in (60, 61))
"""`connection.blocked` and `connection.unblocked`, when an alarm begins and ends (RabbitMQ's extension «Blocked Connections»)."""

FRAME_HEAD: Final = struct.Struct(">BHI")
"""Kind, channel, size of the payload. After the payload comes one octet, `FRAME_END`."""
FRAME_EXTRA: Final = FRAME_HEAD.size + 1
CONTENT_HEAD: Final = struct.Struct(">HHQ")
"""Class, weight, size of the body. The properties follow."""
TAG_AND_BIT: Final = struct.Struct(">Q?")
"""A delivery tag and a bit. The bit means «multiple», «redelivered» or «requeue», according to the method."""
HEARTBEAT_FRAME: Final = FRAME_HEAD.pack(HEARTBEAT, 0, 0) + bytes([FRAME_END])

MULTIPLE: Final = 1
MANDATORY: Final = 1
HAS_HEADERS: Final = 1 << 13
HAS_DELIVERY_MODE: Final = 1 << 12
HAS_EXPIRATION: Final = 1 << 8
HAS_MESSAGE_ID: Final = 1 << 7
TRANSIENT, PERSISTENT = b"\x01", b"\x02"


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return one frame with this payload."""
    return b"%b%b\xce" % (FRAME_HEAD.pack(kind, channel, len(payload)), payload)


@lru_cache(maxsize=64)
def publish_frame(channel: int, queue: str) -> bytes:
    """Return `basic.publish` to the default exchange, mandatory: the broker returns the message when the queue doesn't exist."""
    reserved, exchange = b"\x00\x00", pamqp.encode.short_string("")
    return frame(METHOD, channel, PUBLISH + reserved + exchange + pamqp.encode.short_string(queue) + bytes([MANDATORY]))


def encode_properties(
    persistent: bool, expiration: str | None, headers: Mapping[str, str] | None, message_id: str
) -> bytes:
    """Return a message's properties: the flags, then the values in the order of the flags.

    `message_id` identifies the message when the broker returns it.
    """
    flags = HAS_DELIVERY_MODE | HAS_MESSAGE_ID
    values = b""
    if headers:
        flags |= HAS_HEADERS
        values = pamqp.encode.field_table(dict(headers))
    values += PERSISTENT if persistent else TRANSIENT
    if expiration is not None:
        flags |= HAS_EXPIRATION
        values += pamqp.encode.short_string(expiration)
    return flags.to_bytes(2, "big") + values + pamqp.encode.short_string(message_id)


def decode_properties(encoded: bytes) -> Any:
    """Decode the properties of a content header, which follow class, weight and size. Returns pamqp's `Basic.Properties`."""
    header = pamqp.header.ContentHeader()
    header.unmarshal(CONTENT_HEAD.pack(BASIC, 0, 0) + encoded)
    return header.properties
