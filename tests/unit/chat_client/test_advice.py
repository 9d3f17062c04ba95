"""When the client reconnects, and when it stops."""

from datetime import datetime, timezone

import pytest
from chat_client.advice import CAP_SECONDS, after_close, after_refusal, full_jitter, parse_retry_after
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_full_jitter_stays_below_its_cap(attempt: int, chance: float) -> None:
    assert 0 <= full_jitter(attempt, lambda: chance) <= CAP_SECONDS


def test_full_jitter_grows_with_the_attempt() -> None:
    delays = [full_jitter(attempt, lambda: 1.0) for attempt in range(8)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("code", [1008, 4409])
def test_some_close_codes_end_it(code: int) -> None:
    assert after_close(code, 0, lambda: 0.5).stop


@pytest.mark.parametrize("code", [1006, 1009, 1011, 1013, 4408, 4410])
def test_other_close_codes_back_off(code: int) -> None:
    advice = after_close(code, 2, lambda: 0.5)
    assert not advice.stop
    assert not advice.renew
    assert advice.delay_seconds == 1.0


def test_a_drain_spreads_its_clients_over_five_seconds() -> None:
    assert after_close(1001, 9, lambda: 0.5).delay_seconds == 2.5


def test_an_expired_token_is_renewed_at_once_and_then_with_backoff() -> None:
    assert after_close(4401, 0, lambda: 0.5).delay_seconds == 0
    again = after_close(4401, 1, lambda: 0.5)
    assert again.renew
    assert again.delay_seconds == 0.5


def test_a_third_401_in_a_row_ends_it() -> None:
    first, second, third = (after_refusal(401, None, n - 1, n, lambda: 0.5) for n in (1, 2, 3))
    assert (first.renew, first.delay_seconds, second.renew, second.delay_seconds) == (True, 0, True, 0.5)
    assert third.stop
    assert not after_refusal(401, None, 3, 3, lambda: 0.5, may_pass=True).stop


@pytest.mark.parametrize(("status", "reason"), [(400, "bad_request"), (403, "forbidden"), (431, "bad_request")])
def test_a_request_that_will_never_be_accepted_ends_it(status: int, reason: str) -> None:
    advice = after_refusal(status, None, 0, 0, lambda: 0.5)
    assert (advice.stop, advice.reason) == (True, reason)


def test_retry_after_is_a_minimum_with_jitter_on_top() -> None:
    assert after_refusal(503, 10, 0, 0, lambda: 0.5).delay_seconds == 10.25


@pytest.mark.parametrize(
    ("status", "reason"), [(429, "server_busy"), (503, "server_busy"), (502, "unreachable"), (None, "unreachable")]
)
def test_the_reason_says_whether_the_server_answered_that_it_is_busy(status: int | None, reason: str) -> None:
    assert after_refusal(status, None, 0, 0, lambda: 0.5).reason == reason


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2024, 1, 1, 10, 0, tzinfo=timezone.utc)
    assert parse_retry_after("Mon, 01 Jan 2024 10:00:30 GMT", now) == 30
    assert parse_retry_after("Mon, 01 Jan 2024 09:00:00 GMT", now) == 0
    assert parse_retry_after("7", now) == 7
    assert parse_retry_after("soon", now) is None
    assert parse_retry_after(None, now) is None
    assert parse_retry_after("Mon, 01 Jan 2024 10:00:30 -0000", now) == 30


@pytest.mark.parametrize("header", ["", "soon", "²", "-5", "1.5"])
def test_what_is_no_retry_after_is_ignored(header: str) -> None:
    assert parse_retry_after(header) is None
