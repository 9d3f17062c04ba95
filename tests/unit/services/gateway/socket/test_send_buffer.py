"""services.gateway.socket.send_buffer: order kept, size bounded, transient events the first to go."""

import asyncio

from services.gateway.socket.send_buffer import SendBuffer
from shared.protocol import limits


class Wire(asyncio.Transport):
    """Records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def numbered(count: int, prefix: str = "d") -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def test_straight_through_while_the_transport_takes_it() -> None:
    wire = Wire()
    send_buffer = SendBuffer(wire)
    assert all(send_buffer.write(frame) for frame in numbered(3))
    assert wire.written == numbered(3)


def test_kept_while_paused_and_sent_in_order_afterwards() -> None:
    wire = Wire()
    send_buffer = SendBuffer(wire)
    send_buffer.pause(5.0)
    assert send_buffer.paused_at == 5.0
    assert all(send_buffer.write(frame, transient=place % 2 == 0) for place, frame in enumerate(numbered(10)))
    assert wire.written == []
    send_buffer.resume()
    assert wire.written == numbered(10)
    assert send_buffer.paused_at is None


def test_a_pause_in_the_middle_of_resuming_keeps_the_rest() -> None:
    class Small(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            send_buffer.pause(6.0)

    wire = Small()
    send_buffer = SendBuffer(wire)
    send_buffer.pause(5.0)
    for frame in numbered(3):
        send_buffer.write(frame)
    send_buffer.resume()
    assert wire.written == numbered(1)
    send_buffer.resume()
    assert wire.written == numbered(2)


def test_transient_events_are_dropped_first_new_ones_then_kept_ones() -> None:
    wire = Wire()
    send_buffer = SendBuffer(wire)
    send_buffer.pause(0.0)
    for frame in numbered(limits.SEND_BUFFER_EVENTS - 1):
        assert send_buffer.write(frame)
    assert send_buffer.write(b"typing", transient=True)
    assert send_buffer.write(b"dropped", transient=True)
    assert send_buffer.write(b"durable")
    send_buffer.resume()
    assert wire.written == [*numbered(limits.SEND_BUFFER_EVENTS - 1), b"durable"]


def test_durable_events_are_never_dropped_the_peer_is() -> None:
    send_buffer = SendBuffer(Wire())
    send_buffer.pause(0.0)
    assert all(send_buffer.write(frame) for frame in numbered(limits.SEND_BUFFER_EVENTS))
    assert not send_buffer.write(b"one more")


def test_a_replay_keeps_its_place_behind_what_waits() -> None:
    wire = Wire()
    send_buffer = SendBuffer(wire)
    send_buffer.pause(0.0)
    send_buffer.write(b"first")
    send_buffer.write_at_once(b"replay")
    assert wire.written == [b"first", b"replay"]


def test_frames_that_come_together_are_one_write_and_kept_one_by_one() -> None:
    wire = Wire()
    send_buffer = SendBuffer(wire)
    assert send_buffer.write(*numbered(3))
    assert wire.written == [b"".join(numbered(3))]
    send_buffer.pause(5.0)
    assert not send_buffer.write(*numbered(limits.SEND_BUFFER_EVENTS + 1))
