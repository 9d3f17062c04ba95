"""Quiet hours by the user's local time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.notifier.quiet_hours import QuietHours, minutes_of, text_of, time_zones

BERLIN = ZoneInfo("Europe/Berlin")


def quiet(start: str, end: str, zone: str = "UTC") -> QuietHours:
    return QuietHours(zone, minutes_of(start), minutes_of(end))


@pytest.mark.parametrize(
    ("clock", "covered"),
    [("11:59", False), ("12:00", True), ("12:59", True), ("13:00", False), ("00:00", False)],
)
def test_the_start_counts_and_the_end_doesn_t(clock: str, covered: bool) -> None:
    now = datetime.fromisoformat(f"2024-01-01T{clock}:59+00:00")
    assert quiet("12:00", "13:00").cover(now) is covered


@pytest.mark.parametrize(
    ("clock", "covered"),
    [("21:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("06:59", True), ("07:00", False)],
)
def test_a_span_over_midnight(clock: str, covered: bool) -> None:
    now = datetime.fromisoformat(f"2024-01-01T{clock}:00+00:00")
    assert quiet("22:00", "07:00").cover(now) is covered


def test_the_clock_is_the_user_s() -> None:
    now = datetime(2024, 1, 1, 16, 0, tzinfo=UTC)
    assert quiet("22:00", "07:00", "Asia/Bangkok").cover(now)
    assert not quiet("22:00", "07:00", "Europe/Berlin").cover(now)


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        # Summer time began in Berlin on 31 March 2024 at 01:00 UTC, and ended on 27 October at 01:00 UTC.
        ("2024-03-31T00:59:00+00:00", "01:59"),
        ("2024-03-31T01:00:00+00:00", "03:00"),
        ("2024-10-27T00:30:00+00:00", "02:30"),
        ("2024-10-27T01:30:00+00:00", "02:30"),
        ("2024-10-27T02:00:00+00:00", "03:00"),
    ],
)
def test_daylight_saving_time(utc: str, local: str) -> None:
    now = datetime.fromisoformat(utc)
    assert f"{now.astimezone(BERLIN):%H:%M}" == local
    assert quiet("01:30", "03:00", "Europe/Berlin").cover(now) is (local < "03:00")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "utc", "../etc/passwd", "Europe", "x" * 10_000])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        QuietHours(zone, 0, 1)


def test_every_zone_that_is_listed_can_be_used() -> None:
    assert len(time_zones()) > 400
    for zone in time_zones():
        QuietHours(zone, 1, 0).cover(datetime(2024, 1, 1, tzinfo=UTC))


def test_equal_ends_are_refused() -> None:
    with pytest.raises(ValueError, match="must differ"):
        quiet("08:00", "08:00")


@pytest.mark.parametrize(
    "text", ["", "8:00", "24:00", "08:60", "08-00", "08:0", "008:00", "٠٨:٠٠", "-1:00", "+1:00", "08:00\n"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        minutes_of(text)


@pytest.mark.parametrize("text", ["00:00", "08:05", "23:59"])
def test_times_survive(text: str) -> None:
    assert text_of(minutes_of(text)) == text
