"""Turns: a burst at once, the others one after the other, and none too late."""

import pytest

from shared import pace
from shared.pace import Pace

AT_ONCE = 10
MAX_WAIT_SECONDS = 2.5


def make() -> Pace:
    return Pace(50.0, AT_ONCE, MAX_WAIT_SECONDS)


def waits(paced: Pace, count: int, caller: int = 1, now: float = 100.0) -> list[float]:
    return [paced.wait(caller, now) for _ in range(count)]


def test_some_begin_at_once_and_the_others_one_after_the_other() -> None:
    found = waits(make(), AT_ONCE + 3)
    assert found[:AT_ONCE] == [0.0] * AT_ONCE
    assert found[AT_ONCE:] == pytest.approx([0.02, 0.04, 0.06])


def test_time_gives_turns_back() -> None:
    paced = make()
    waits(paced, AT_ONCE + 50)
    assert waits(paced, 1, now=101.2) == [0.0]


def test_a_hundred_at_once_get_their_turns() -> None:
    """The burst of REST (docs/protocol.md, «Limits and close codes»)."""
    paced = make()
    assert not any(map(paced.is_too_long, waits(paced, 100)))


def test_who_would_wait_too_long_takes_no_turn() -> None:
    paced = make()
    assert paced.is_too_long(waits(paced, 1_000)[-1])
    assert waits(paced, 1, now=100.0 + MAX_WAIT_SECONDS) == pytest.approx([0.0], abs=0.05)


def test_callers_do_not_wait_for_each_other() -> None:
    paced = make()
    waits(paced, 1_000)
    assert waits(paced, AT_ONCE, caller=2) == [0.0] * AT_ONCE


def test_callers_are_kept_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MAX_CALLERS", 3)
    paced = make()
    for caller in range(10):
        waits(paced, 1, caller)
    assert len(paced) == 3
