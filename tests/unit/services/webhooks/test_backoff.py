"""The pauses between attempts."""

from datetime import UTC, datetime

import pytest

from services.webhooks.backoff import after_refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (9000, 10)])
def test_pauses_grow_to_ten_seconds(attempts: int, seconds: float) -> None:
    assert (after_refusal(attempts, NOW, 0) - NOW).total_seconds() == seconds


def test_jitter_makes_a_pause_shorter_by_a_fifth_at_most() -> None:
    assert (after_refusal(4, NOW, 1) - NOW).total_seconds() == pytest.approx(6.4)
    drawn = {(after_refusal(4, NOW) - NOW).total_seconds() for _ in range(100)}
    assert len(drawn) > 1
    assert all(6.4 <= each <= 8 for each in drawn)
