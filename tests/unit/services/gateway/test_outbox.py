"""services.gateway.outbox: order kept, size bounded, transient events the first to go."""

import asyncio

from services.gateway.outbox import Outbox
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
    outbox = Outbox(wire)
    assert all(outbox.write(frame) for frame in numbered(3))
    assert wire.written == numbered(3)


def test_kept_while_paused_and_sent_in_order_afterwards() -> None:
    wire = Wire()
    outbox = Outbox(wire)
    outbox.pause(5.0)
    assert outbox.paused_at == 5.0
    assert all(outbox.write(frame, transient=place % 2 == 0) for place, frame in enumerate(numbered(10)))
    assert wire.written == []
    outbox.resume()
    assert wire.written == numbered(10)
    assert outbox.paused_at is None


def test_a_pause_in_the_middle_of_resuming_keeps_the_rest() -> None:
    class Small(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            outbox.pause(6.0)

    wire = Small()
    outbox = Outbox(wire)
    outbox.pause(5.0)
    for frame in numbered(3):
        outbox.write(frame)
    outbox.resume()
    assert wire.written == numbered(1)
    outbox.resume()
    assert wire.written == numbered(2)


def test_transient_events_are_dropped_first_new_ones_then_kept_ones() -> None:
    wire = Wire()
    outbox = Outbox(wire)
    outbox.pause(0.0)
    for frame in numbered(limits.SEND_BUFFER_EVENTS - 1):
        assert outbox.write(frame)
    assert outbox.write(b"typing", transient=True)
    assert outbox.write(b"dropped", transient=True)
    assert outbox.write(b"durable")
    outbox.resume()
    assert wire.written == [*numbered(limits.SEND_BUFFER_EVENTS - 1), b"durable"]


def test_durable_events_are_never_dropped_the_peer_is() -> None:
    outbox = Outbox(Wire())
    outbox.pause(0.0)
    assert all(outbox.write(frame) for frame in numbered(limits.SEND_BUFFER_EVENTS))
    assert not outbox.write(b"one more")


def test_a_replay_keeps_its_place_behind_what_waits() -> None:
    wire = Wire()
    outbox = Outbox(wire)
    outbox.pause(0.0)
    outbox.write(b"first")
    outbox.write_at_once(b"replay")
    assert wire.written == [b"first", b"replay"]


def test_frames_that_come_together_are_one_write_and_kept_one_by_one() -> None:
    wire = Wire()
    outbox = Outbox(wire)
    assert outbox.write(*numbered(3))
    assert wire.written == [b"".join(numbered(3))]
    outbox.pause(5.0)
    assert not outbox.write(*numbered(limits.SEND_BUFFER_EVENTS + 1))
