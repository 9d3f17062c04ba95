"""A body of lines, in whatever pieces it comes."""

from collections.abc import AsyncIterator, Sequence

import pytest

from services.admin.import_routes import MOST_LINE_BYTES, lines_of

LONG = b"x" * (MOST_LINE_BYTES + 1)


async def pieces(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def lines(*chunks: bytes) -> list[bytes | None]:
    return [line async for line in lines_of(pieces(chunks))]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    text = b"one\ntwo\n\nfour"
    chunks = [text[first : first + size] for first in range(0, len(text), size)]
    assert await lines(*chunks) == [b"one", b"two", b"", b"four"]


async def test_a_line_that_is_too_long_fails_alone_and_is_not_kept() -> None:
    assert await lines(b"one\n" + LONG, LONG, b"end\nthree\n") == [b"one", None, b"three"]
    assert await lines(b"one\n" + LONG + b"\nthree") == [b"one", None, b"three"]
    assert await lines(b"one\n", LONG) == [b"one", None]


async def test_the_longest_line_is_taken() -> None:
    longest = LONG[1:]
    assert await lines(longest + b"\n" + longest) == [longest, longest]


async def test_an_empty_body_has_no_lines() -> None:
    assert await lines() == []
