"""What the answers of push services mean."""

from datetime import UTC, datetime

import pytest

from services.notifier.delivery.outcome import Disposition, Reason, outcome_of, retry_after_of

NOW = datetime(2024, 1, 1, 11, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "disposition", "reason"),
    [
        (200, Disposition.ACCEPTED, Reason.NONE),
        (201, Disposition.ACCEPTED, Reason.NONE),
        (202, Disposition.ACCEPTED, Reason.NONE),
        (301, Disposition.DROPPED, Reason.REDIRECTED),
        (307, Disposition.DROPPED, Reason.REDIRECTED),
        (400, Disposition.DROPPED, Reason.REJECTED),
        (401, Disposition.KEY_FAULT, Reason.KEY_REFUSED),
        (403, Disposition.KEY_FAULT, Reason.KEY_REFUSED),
        (404, Disposition.GONE, Reason.GONE),
        (410, Disposition.GONE, Reason.GONE),
        (413, Disposition.DROPPED, Reason.TOO_LARGE),
        (429, Disposition.RETRY, Reason.THROTTLED),
        (500, Disposition.RETRY, Reason.SERVICE_ERROR),
        (503, Disposition.RETRY, Reason.SERVICE_ERROR),
    ],
)
def test_each_status_has_a_disposition(status: int, disposition: Disposition, reason: Reason) -> None:
    outcome = outcome_of(status, None, NOW)
    assert (outcome.disposition, outcome.reason) == (disposition, reason)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 01 Jan 2024 11:01:30 GMT", 90),
        ("Mon, 01 Jan 2024 10:00:00 GMT", 0),
        ("Mon, 01 Jan 2024 11:01:30", 90),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 400, float("inf")),
        ("٣", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("1" * 400, float("inf")),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_of(header, NOW) == seconds


def test_a_status_s_retry_after_is_kept() -> None:
    assert outcome_of(429, "33", NOW).retry_after_seconds == 33
    assert outcome_of(503, "33", NOW).retry_after_seconds == 33
