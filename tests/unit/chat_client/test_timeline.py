"""Messages are given out once and in order, also when some come twice, late or never."""

from chat_client.timeline import Frame, Gap, Timeline
from hypothesis import given
from hypothesis import strategies as st


def frame(seq: int) -> Frame:
    return {"seq": seq}


def seqs(frames: list[Frame]) -> list[int]:
    return [one["seq"] for one in frames]


def test_what_lies_before_the_first_message_is_history() -> None:
    timeline = Timeline()
    assert seqs(timeline.accept("a", 7, frame(7))) == [7]
    assert timeline.gap("a") is None


def test_a_repeat_is_dropped() -> None:
    timeline = Timeline()
    timeline.accept("a", 7, frame(7))
    assert timeline.accept("a", 7, frame(7)) == []
    assert timeline.accept("a", 6, frame(6)) == []


def test_a_gap_holds_what_comes_after_it() -> None:
    timeline = Timeline()
    timeline.track("a", 5)
    assert timeline.accept("a", 8, frame(8)) == []
    assert timeline.gap("a") == Gap("a", 5, 8)
    assert timeline.accept("a", 7, frame(7)) == []
    assert seqs(timeline.accept("a", 6, frame(6))) == [6, 7, 8]
    assert timeline.gap("a") is None


def test_a_gap_may_be_given_up() -> None:
    timeline = Timeline()
    timeline.track("a", 5)
    timeline.accept("a", 8, frame(8))
    assert seqs(timeline.skip(Gap("a", 5, 8))) == [8]


def test_while_it_settles_unknown_conversations_wait() -> None:
    timeline = Timeline()
    timeline.settling = True
    assert timeline.accept("a", 3, frame(3)) == []
    assert list(timeline.unsettled()) == ["a"]
    timeline.track("a", 1)
    assert timeline.gap("a") == Gap("a", 1, 3)
    assert seqs(timeline.accept("a", 2, frame(2))) == [2, 3]


def test_what_is_known_already_is_not_held() -> None:
    timeline = Timeline()
    timeline.settling = True
    timeline.accept("a", 3, frame(3))
    timeline.track("a", 3)
    assert timeline.release("a") == []
    assert timeline.gap("a") is None


@given(st.lists(st.integers(1, 20), max_size=60))
def test_any_order_comes_out_once_and_ascending(arrivals: list[int]) -> None:
    timeline = Timeline()
    timeline.track("a", 0)
    out = [seq for arrival in arrivals for seq in seqs(timeline.accept("a", arrival, frame(arrival)))]
    assert out == list(range(1, len(out) + 1))
    present = set(arrivals)
    expected = next((n for n in range(1, 22) if n not in present), 1) - 1
    assert len(out) == expected
