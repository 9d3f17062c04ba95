"""services.gateway.transport.frames: a byte stream cut into client frames, however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from services.gateway.transport import frames
from services.gateway.transport.frames import FrameSplitter, text_frame

MAX_BYTES = 1000


def client_frame(opcode: Opcode, payload: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


CLIENT_FRAMES = st.builds(
    client_frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.sampled_from([0, 1, 125, 126, 300]).map(lambda length: b"x" * length),
) | st.builds(client_frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=20))


@given(st.lists(CLIENT_FRAMES, max_size=6), st.data())
def test_frames_come_out_whole_however_the_stream_is_cut(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    splitter = FrameSplitter(MAX_BYTES)
    got: list[bytes] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for first, frame, start in splitter.feed(stream[begin:end]):
            assert first == frame[0]
            assert start - 4 >= 2
            got.append(frame)
    assert got == sent


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_our_frames_are_what_the_library_writes(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_a_frame_byte_by_byte() -> None:
    frame = client_frame(Opcode.TEXT, b"a" * 200)
    splitter = FrameSplitter(MAX_BYTES)
    for byte in frame[:-1]:
        assert splitter.feed(bytes([byte])) == []
    assert splitter.feed(frame[-1:]) == [(frames.FINAL_TEXT, frame, 8)]


def test_a_frame_that_is_too_long_is_not_waited_for() -> None:
    header = client_frame(Opcode.TEXT, b"a" * (MAX_BYTES + 1))[:8]
    splitter = FrameSplitter(MAX_BYTES)
    assert splitter.feed(header) == [(frames.UNFRAMED, header, 0)]
    assert splitter.feed(b"more") == [(frames.UNFRAMED, b"more", 0)]


def test_a_frame_without_mask_is_not_waited_for() -> None:
    splitter = FrameSplitter(MAX_BYTES)
    whole = client_frame(Opcode.TEXT, b"ok")
    broken = text_frame(b"server")[:3]
    assert splitter.feed(whole + broken) == [(frames.FINAL_TEXT, whole, 6), (frames.UNFRAMED, broken, 0)]


@given(st.lists(st.binary(max_size=40)))
def test_nothing_is_lost_and_nothing_raises_whatever_comes(chunks: list[bytes]) -> None:
    splitter = FrameSplitter(MAX_BYTES)
    out = b"".join(piece for chunk in chunks for _, piece, _ in splitter.feed(chunk))
    assert b"".join(chunks).startswith(out)
