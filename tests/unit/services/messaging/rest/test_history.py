"""Pages of history: every message once, in either direction, whatever the page size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.rest.history import Position
from shared.protocol.errors import ProtocolError
from shared.rest import encode_page

SEQS = st.integers(0, 300)
LIMITS = st.integers(1, 100)


def walk(position: Position, last_seq: int, limit: int) -> list[range]:
    """All pages from here on."""
    pages = []
    while True:
        seqs = position.seqs(last_seq, limit)
        pages.append(seqs)
        page = position.next_page(seqs, last_seq)
        if page is None:
            return pages
        position = Position.of(None, None, page)


@given(last_seq=SEQS, limit=LIMITS, after=st.integers(0, 400))
def test_forward(last_seq: int, limit: int, after: int) -> None:
    pages = walk(Position.of(after, None, None), last_seq, limit)
    assert [seq for page in pages for seq in page] == list(range(after + 1, last_seq + 1))
    assert all(len(page) <= limit for page in pages)


@given(last_seq=SEQS, limit=LIMITS, before=st.integers(1, 400) | st.none())
def test_backward(last_seq: int, limit: int, before: int | None) -> None:
    pages = walk(Position.of(None, before, None), last_seq, limit)
    end = last_seq + 1 if before is None else min(before, last_seq + 1)
    assert [seq for page in reversed(pages) for seq in page] == list(range(1, end))
    assert all(len(page) <= limit for page in pages)


@pytest.mark.parametrize("page", ["", "!", encode_page("after:x"), encode_page("sideways:3"), encode_page("after:-1")])
def test_foreign_pages_are_refused(page: str) -> None:
    with pytest.raises(ProtocolError):
        Position.of(None, None, page)


def test_two_seqs_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Position.of(1, 2, None)
