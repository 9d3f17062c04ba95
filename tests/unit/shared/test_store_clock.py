"""How the difference of two clocks follows from comparisons."""

import pytest

from shared.store_clock import DRIFT, Difference


def test_a_slow_reply_does_not_spoil_what_a_quick_one_told() -> None:
    """The clocks of two gateways on a busy machine were up to 50 ms apart, so typing right after a connection was not shown."""
    ahead = Difference()
    ahead.learn(2.000, 2.001, at=100)
    ahead.learn(1.950, 2.150, at=110)
    assert ahead.seconds == pytest.approx(2.0005, abs=10 * DRIFT)
    ahead.learn(1.8, 2.0005, at=110)
    assert 1.995 < ahead.seconds < 2.0005


def test_a_quick_reply_corrects_a_slow_one() -> None:
    ahead = Difference()
    ahead.learn(-0.4, 0.1, at=1)
    assert ahead.seconds == pytest.approx(-0.15)
    ahead.learn(0.0, 0.001, at=1)
    assert ahead.seconds == pytest.approx(0.0005)


def test_a_drift_is_followed() -> None:
    ahead = Difference()
    for number in range(1, 1_000):
        true = number * 10 * DRIFT * 0.9
        ahead.learn(true - 0.001, true + 0.1, at=number * 10)
        assert abs(ahead.seconds - true) < 0.06


def test_a_clock_that_was_set_is_believed() -> None:
    ahead = Difference()
    ahead.learn(0.0, 0.001, at=1)
    ahead.learn(3600.0, 3600.2, at=11)
    assert ahead.seconds == pytest.approx(3600.1)
