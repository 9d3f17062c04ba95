"""Byte ranges, as RFC 9110 has them (section 14)."""

import pytest

from services.media.ranges import Unsatisfiable, span_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 10)),
        ("bytes=3-", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-9999999999999999", None),
    ],
)
def test_one_range_is_served(header: str | None, expected: tuple[int, int] | None) -> None:
    assert span_of(header, 10) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_what_isn_t_there_can_t_be_served(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        span_of(header, size)
