"""services.gateway.transport.send_buffer: order kept, size bounded in events and bytes, transient events the first to go."""

import asyncio

import pytest

from services.gateway.transport.send_buffer import HIGH_WATER_BYTES, SendBuffer
from shared.protocol import limits


class Wire(asyncio.Transport):
    """Records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unsent


def numbered(count: int, prefix: str = "d") -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def send_buffer(wire: Wire) -> SendBuffer:
    return SendBuffer(wire)


def test_straight_through_while_the_transport_takes_it(wire: Wire, send_buffer: SendBuffer) -> None:
    for frame in numbered(3):
        assert send_buffer.write_durable([frame]) == 1
    assert wire.written == numbered(3)


def test_kept_while_paused_and_sent_in_order_afterwards(wire: Wire, send_buffer: SendBuffer) -> None:
    send_buffer.pause(5.0)
    assert send_buffer.paused_at == 5.0
    for place, frame in enumerate(numbered(9)):
        (send_buffer.write_transient, send_buffer.write_direct, lambda one: send_buffer.write_durable([one]))[
            place % 3
        ](frame)
    assert wire.written == []
    assert send_buffer.resume()
    assert wire.written == numbered(9)
    assert send_buffer.paused_at is None


def test_a_pause_in_the_middle_of_resuming_keeps_the_rest() -> None:
    class Small(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            paused.pause(6.0)

    wire = Small()
    paused = SendBuffer(wire)
    paused.pause(5.0)
    paused.write_durable(numbered(3))
    assert not paused.resume()
    assert wire.written == numbered(1)
    assert not paused.resume()
    assert wire.written == numbered(2)


def test_transient_events_are_dropped_first_new_ones_then_kept_ones(wire: Wire, send_buffer: SendBuffer) -> None:
    send_buffer.pause(0.0)
    assert send_buffer.write_durable(numbered(limits.SEND_BUFFER_EVENTS - 1)) == limits.SEND_BUFFER_EVENTS - 1
    send_buffer.write_transient(b"typing")
    assert not send_buffer.take_shed()
    send_buffer.write_transient(b"dropped")
    assert send_buffer.take_shed()
    assert send_buffer.write_durable([b"durable"]) == 1
    assert send_buffer.take_shed()
    send_buffer.resume()
    assert wire.written == [*numbered(limits.SEND_BUFFER_EVENTS - 1), b"durable"]


def test_durable_events_beyond_the_limit_stay_in_the_inbox(wire: Wire, send_buffer: SendBuffer) -> None:
    send_buffer.pause(0.0)
    assert send_buffer.write_durable(numbered(limits.SEND_BUFFER_EVENTS + 5)) == limits.SEND_BUFFER_EVENTS
    assert send_buffer.full
    assert send_buffer.write_durable([b"more"]) == 0
    send_buffer.resume()
    assert wire.written == numbered(limits.SEND_BUFFER_EVENTS)


def test_bytes_count_as_well_as_events(wire: Wire, send_buffer: SendBuffer) -> None:
    send_buffer.pause(0.0)
    frame = b"x" * 40_000
    taken = send_buffer.write_durable([frame] * 100)
    assert taken == limits.SEND_BUFFER_BYTES // len(frame)
    send_buffer.write_transient(frame)
    assert send_buffer.take_shed()
    send_buffer.resume()
    assert len(wire.written) == taken


def test_answers_are_kept_and_say_when_there_are_too_many(wire: Wire, send_buffer: SendBuffer) -> None:
    send_buffer.pause(0.0)
    answers = [send_buffer.write_direct(frame) for frame in numbered(limits.SEND_BUFFER_EVENTS + 2)]
    assert answers == [True] * (limits.SEND_BUFFER_EVENTS - 1) + [False] * 3
    send_buffer.resume()
    assert wire.written == numbered(limits.SEND_BUFFER_EVENTS + 2)


def test_frames_that_come_together_are_one_write(wire: Wire, send_buffer: SendBuffer) -> None:
    assert send_buffer.write_durable(numbered(3)) == 3
    assert wire.written == [b"".join(numbered(3))]


def test_no_write_is_larger_than_what_the_transport_holds(wire: Wire, send_buffer: SendBuffer) -> None:
    frame = b"x" * 20_000
    assert send_buffer.write_durable([frame] * 10) == 10
    assert sum(map(len, wire.written)) == 200_000
    assert max(map(len, wire.written)) <= HIGH_WATER_BYTES


def test_bytes_that_the_peer_takes_are_seen(wire: Wire, send_buffer: SendBuffer) -> None:
    assert send_buffer.took_any() is None
    send_buffer.write_direct(b"x" * 100)
    wire.unsent = 100
    assert send_buffer.took_any() is False
    wire.unsent = 60
    assert send_buffer.took_any() is True
    assert send_buffer.took_any() is False
    send_buffer.write_direct(b"x" * 10)
    wire.unsent = 70
    assert send_buffer.took_any() is False
    wire.unsent = 0
    assert send_buffer.took_any() is None
