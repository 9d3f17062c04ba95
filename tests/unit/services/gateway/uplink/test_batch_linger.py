"""services.gateway.uplink.batch_linger: no pause at rest, a few milliseconds under load."""

from services.gateway.uplink.batch_linger import BatchLinger


def test_nothing_is_waited_for_at_rest() -> None:
    pace = BatchLinger(0.003)
    assert pace.pause(100.0) == 0
    for second in range(100, 110):
        pace.observe(1, second)
        assert pace.pause(second) == 0


def test_the_longest_pause_under_load_and_none_soon_after() -> None:
    pace = BatchLinger(0.003)
    for step in range(2000):
        pace.observe(2, 100 + step / 1000)
    assert pace.pause(102.0) == 0.003
    assert pace.pause(106.0) == 0


def test_a_pause_that_would_collect_nothing_more_is_not_taken() -> None:
    pace = BatchLinger(0.005)
    for step in range(400):
        pace.observe(1, 100 + step / 200)
    assert pace.pause(102.0) == 0


def test_switched_off() -> None:
    pace = BatchLinger(0.0)
    pace.observe(1_000_000, 100.0)
    assert pace.pause(100.0) == 0
