"""services.gateway.rate_limit: events per second, and a burst."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.rate_limit import Flood, Rate, RateLimit


def test_sixty_at_once_and_then_twenty_a_second() -> None:
    rate_limit = RateLimit(Rate(20))
    assert [rate_limit.take(100.0) for _ in range(60)] == [0.0] * 60
    wait = rate_limit.take(100.0)
    assert 0 < wait <= 0.05 + 1e-6
    assert rate_limit.take(100.0 + wait) == 0
    assert rate_limit.take(100.0 + wait) > 0
    assert sum(rate_limit.take(101.05) == 0 for _ in range(100)) == 20


def test_zero_is_no_limit() -> None:
    rate_limit = RateLimit(Rate(0))
    assert all(rate_limit.take(0.0) == 0 for _ in range(10_000))


def test_a_slow_rate_allows_one() -> None:
    rate_limit = RateLimit(Rate(0.1))
    assert rate_limit.take(0.0) == 0
    assert 9.9 < rate_limit.take(0.0) <= 10


@given(st.floats(0.5, 100), st.lists(st.floats(0, 0.5), min_size=1, max_size=400))
def test_never_more_than_the_rate_and_its_burst(per_second: float, gaps: list[float]) -> None:
    rate_limit = RateLimit(Rate(per_second))
    now, taken = 1000.0, 0
    for gap in gaps:
        now += gap
        taken += rate_limit.take(now) == 0
    assert taken <= max(3 * per_second, 1) + (now - 1000.0) * per_second + 1


def test_a_flood_is_more_than_so_many_within_a_second() -> None:
    flood = Flood(3)
    assert [flood.exceeded(at) for at in (7.0, 7.1, 7.9, 7.95, 7.99, 8.0, 8.1, 8.2, 8.3, 10.0)] == [
        *([False] * 3),
        *([True] * 2),
        *([False] * 3),
        True,
        False,
    ]
