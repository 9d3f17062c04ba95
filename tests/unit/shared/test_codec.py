"""Instants and ids."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.protocol import codec
from shared.protocol.codec import instant, instant_of_ms, is_uuid


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2024, 1, 1, 11, tzinfo=UTC), "2024-01-01T11:00:00.000Z"),
        (datetime(2024, 1, 1, 11, 0, 0, 999_999, tzinfo=UTC), "2024-01-01T11:00:00.999Z"),
        (datetime(2024, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=7))), "2023-12-31T18:30:00.000Z"),
    ],
)
def test_instant_is_utc_with_milliseconds(at: datetime, text: str) -> None:
    assert instant(at) == text


def test_instant_of_unix_milliseconds() -> None:
    assert instant_of_ms(1_704_106_800_007) == "2024-01-01T11:00:00.007Z"


@pytest.mark.parametrize("text", ["0190a1b2-0000-7000-8000-00000000c001", "550e8400-e29b-41d4-a716-446655440000"])
def test_uuid(text: str) -> None:
    assert is_uuid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 36,
        "550E8400-E29B-41D4-A716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "550e8400-e29b-41d4-a716-446655440000\n",
    ],
)
def test_not_a_uuid(text: str) -> None:
    assert not is_uuid(text)


def test_long_texts_do_not_stay_in_the_cache() -> None:
    codec._matches_uuid.cache_clear()
    for number in range(10):
        assert not is_uuid(f"{number}" * 28_000)
    assert codec._matches_uuid.cache_info().currsize == 0
