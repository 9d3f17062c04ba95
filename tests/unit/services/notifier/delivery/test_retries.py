"""How long a notification waits before it is tried again."""

import pytest

from services.notifier.delivery.retries import after_attempt, after_deferral


@pytest.mark.parametrize(
    ("attempts", "retry_after", "wait"),
    [
        (1, None, 5),
        (2, None, 30),
        (3, None, 120),
        (4, None, 600),
        (5, None, 3600),
        (9, None, 3600),
        (1, 5, 5),
        (1, 6, 30),
        (1, 200, 600),
        (1, 10**9, 3600),
        (1, float("inf"), 3600),
        (3, 6, 120),
    ],
)
def test_waits_grow_and_respect_the_service(attempts: int, retry_after: float | None, wait: int) -> None:
    assert after_attempt(attempts, retry_after) == wait


def test_deferrals_are_short_at_first() -> None:
    assert [after_deferral(n) for n in range(17)] == [5] * 4 + [30] * 4 + [120] * 4 + [600] * 5
    assert after_deferral(1000) == 600


def test_a_full_queue_is_asked_again_soon_for_a_minute() -> None:
    assert [after_deferral(count, full=True) for count in (0, 11, 12, 24)] == [5, 5, 30, 120]
