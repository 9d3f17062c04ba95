"""The split of what a broker sends: messages and confirms to us, all else to aiormq. pamqp encodes and decodes the other side."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.common import FieldTable
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.rabbitmq import Delivery, MessageFrames, Refused
from shared.rabbitmq import frames as amqp

CHANNEL = 1
FRAME_BYTES = 4096
QUEUE = "messaging.commands"


class Socket:
    """Where a transport would be: keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, _name: str) -> None:
        return None


class Wire:
    """`MessageFrames` between a socket and the reader that aiormq has."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.frames = MessageFrames(self.reader)
        self.socket = Socket()
        self.frames.connection_made(cast("asyncio.Transport", self.socket))
        self.frames.open(CHANNEL, FRAME_BYTES)
        self.delivered: list[Delivery] = []
        self.frames.on_delivery = self.delivered.append

    def passed(self) -> bytes:
        """What aiormq has to read."""
        return bytes(self.reader._buffer)  # type: ignore[attr-defined]

    def sent(self) -> list[object]:
        """The frames that were written, decoded."""
        data, decoded = self.socket.written, list[object]()
        while data:
            size, _, frame = pamqp.frame.unmarshal(data)
            decoded.append(frame)
            data = data[size:]
        return decoded


def encode(*frames: object, channel: int = CHANNEL) -> bytes:
    return b"".join(pamqp.frame.marshal(frame, channel) for frame in frames)  # type: ignore[arg-type]


def delivery(tag: int, bodies: Sequence[bytes], headers: FieldTable | None = None, *, again: bool = False) -> bytes:
    return encode(
        commands.Basic.Deliver("ctag1.0", tag, again, "", QUEUE),
        ContentHeader(0, sum(map(len, bodies)), commands.Basic.Properties(headers=headers, delivery_mode=2)),
        *map(ContentBody, bodies),
    )


OTHERS = (
    encode(Heartbeat(), channel=0),
    encode(commands.Connection.Blocked("memory"), channel=0),
    encode(commands.Basic.ConsumeOk("ctag1.0")),
    encode(commands.Queue.DeclareOk(QUEUE, 3, 1)),
)
bodies = st.lists(st.binary(min_size=1, max_size=60), max_size=3)
pieces = st.lists(st.one_of(bodies, st.sampled_from(OTHERS)), max_size=8)


@given(pieces, st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_every_cut_of_the_stream_gives_the_same(pieces: list[list[bytes] | bytes], sizes: list[int]) -> None:
    async def feed() -> None:
        wire = Wire()
        wire.frames._shown_at = float("inf")
        stream = b"".join(
            piece if isinstance(piece, bytes) else delivery(tag, piece, again=tag % 2 == 1)
            for tag, piece in enumerate(pieces)
        )
        turn = 0
        while stream:
            size = sizes[turn % len(sizes)]
            wire.frames.data_received(stream[:size])
            stream, turn = stream[size:], turn + 1
        messages = [(tag, b"".join(piece)) for tag, piece in enumerate(pieces) if not isinstance(piece, bytes)]
        assert [(each.tag, each.body) for each in wire.delivered] == messages
        assert [each.redelivered for each in wire.delivered] == [tag % 2 == 1 for tag, _ in messages]
        assert wire.passed() == b"".join(piece for piece in pieces if isinstance(piece, bytes))

    asyncio.run(feed())


async def test_a_delivery_carries_its_headers() -> None:
    wire = Wire()
    wire.frames.data_received(delivery(1, [b"a"], {"traceparent": "00-1-2-01"}) + delivery(2, [b"b"]))
    assert [dict(each.headers) for each in wire.delivered] == [{"traceparent": "00-1-2-01"}, {}]


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 8, FRAME_BYTES - 7, 3 * FRAME_BYTES])
async def test_a_message_goes_out_as_frames_that_others_can_read(size: int) -> None:
    wire = Wire()
    headers = {"x-dead-reason": "spoilt"}
    publishing = asyncio.create_task(
        wire.frames.publish(QUEUE, bytes(size), persistent=True, expiration_seconds=2.5, headers=headers)
    )
    await asyncio.sleep(0)
    publish, header, *parts = wire.sent()
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory, publish.immediate) == ("", QUEUE, True, False)
    assert isinstance(header, ContentHeader)
    properties = header.properties
    assert (header.body_size, properties.delivery_mode, properties.expiration) == (size, 2, "2500")
    assert properties.headers == headers
    assert b"".join(part.value for part in parts if isinstance(part, ContentBody)) == bytes(size)
    assert all(len(encode(part)) <= FRAME_BYTES for part in parts)
    wire.frames.data_received(encode(commands.Basic.Ack(1)))
    await publishing


async def test_confirms_settle_what_they_name() -> None:
    wire = Wire()
    publishes = [asyncio.create_task(wire.frames.publish(QUEUE, b"x", persistent=number > 0)) for number in range(6)]
    await asyncio.sleep(0)
    wire.frames.data_received(encode(commands.Basic.Ack(2), commands.Basic.Nack(3)))
    await asyncio.sleep(0)
    assert [each.done() for each in publishes] == [False, True, True, False, False, False]
    with pytest.raises(Refused):
        await publishes[2]
    wire.frames.data_received(encode(commands.Basic.Ack(5, multiple=True)))
    await asyncio.gather(publishes[0], publishes[1], publishes[3], publishes[4])
    wire.frames.connection_lost(None)
    with pytest.raises(ConnectionError):
        await publishes[5]
    with pytest.raises(ConnectionError):
        await wire.frames.publish(QUEUE, b"x", persistent=True)


async def test_a_returned_message_is_refused_although_it_is_confirmed() -> None:
    wire = Wire()
    publishes = [asyncio.create_task(wire.frames.publish(QUEUE, b"x", persistent=True)) for _ in range(2)]
    await asyncio.sleep(0)
    header = wire.sent()[4]
    wire.frames.data_received(
        encode(
            commands.Basic.Return(312, "NO_ROUTE", "", QUEUE),
            header,
            ContentBody(b"x"),
            commands.Basic.Ack(2, multiple=True),
        )
    )
    await publishes[0]
    with pytest.raises(Refused, match="the queue doesn't exist"):
        await publishes[1]


async def test_whoever_stops_waiting_leaves_the_others_alone() -> None:
    wire = Wire()
    first, second = (asyncio.create_task(wire.frames.publish(QUEUE, b"x", persistent=True)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    wire.frames.data_received(encode(commands.Basic.Ack(1), commands.Basic.Ack(2)))
    await second


async def test_deliveries_are_settled_on_their_channel() -> None:
    wire = Wire()
    wire.frames.data_received(delivery(1, [b"a"]) + delivery(2, [b"b"]) + delivery(3, [b"c"]))
    one, two, three = wire.delivered
    two.ack(all_before=True)
    three.reject()
    assert pamqp.frame.unmarshal(wire.socket.written)[1] == CHANNEL
    ack, reject = wire.sent()
    assert isinstance(ack, commands.Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (2, True)
    assert isinstance(reject, commands.Basic.Reject)
    assert (reject.delivery_tag, reject.requeue) == (3, False)
    wire.frames.detach()
    assert one.lost
    with pytest.raises(ConnectionError):
        one.ack()


async def test_aiormq_sees_a_sign_of_life_while_only_messages_come(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    for tag in range(5):
        wire.frames.data_received(delivery(tag, [b"a"]))
    assert wire.passed() == encode(Heartbeat(), channel=0)
    monkeypatch.setattr(amqp, "SIGN_OF_LIFE_SECONDS", 0.0)
    wire.frames.data_received(encode(commands.Basic.Ack(1)))
    assert wire.passed() == 2 * encode(Heartbeat(), channel=0)


@pytest.mark.parametrize("answer", [b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_what_is_no_frame_is_left_to_aiormq(answer: bytes) -> None:
    wire = Wire()
    wire.frames.data_received(answer)
    wire.frames.data_received(b"more")
    assert wire.passed() == answer + b"more"
