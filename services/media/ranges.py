"""Byte ranges of a request (RFC 9110, section 14). One range is served; for several, the whole object is."""

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"^bytes=(\d{0,15})-(\d{0,15})$")


class Span(NamedTuple):
    """Bytes from `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """No byte of the range exists: 416."""


def span_of(header: str | None, size: int) -> Span | None:
    """Return the single range that a `Range` header asks for of `size` bytes, or None for everything.

    Invalid headers are ignored, as the RFC requires. Raises Unsatisfiable.
    """
    match = None if header is None else _RANGE.match(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise Unsatisfiable
    return Span(start, end)
