"""Pages of history: every message once, in either direction, whatever the page size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messaging.rest.history import Position
from services.messaging.rest.schemas import HistoryQuery
from shared.protocol.errors import ProtocolError
from shared.rest import encode_page

SEQS = st.integers(0, 300)
LIMITS = st.integers(1, 100)
CLEARED = st.integers(0, 300)


def walk(position: Position, cleared_seq: int, last_seq: int, limit: int) -> list[range]:
    """All pages from here on."""
    pages = []
    while True:
        seqs = position.seqs(cleared_seq, last_seq, limit)
        pages.append(seqs)
        page = position.next_page(seqs, cleared_seq, last_seq)
        if page is None:
            return pages
        position = Position.of(HistoryQuery(page=page))


@given(last_seq=SEQS, limit=LIMITS, after=st.integers(0, 400), cleared=CLEARED)
def test_forward(last_seq: int, limit: int, after: int, cleared: int) -> None:
    pages = walk(Position.of(HistoryQuery(afterSeq=after)), min(cleared, last_seq), last_seq, limit)
    first = max(after, min(cleared, last_seq)) + 1
    assert [seq for page in pages for seq in page] == list(range(first, last_seq + 1))
    assert all(len(page) <= limit for page in pages)


@given(last_seq=SEQS, limit=LIMITS, before=st.integers(1, 400) | st.none(), cleared=CLEARED)
def test_backward(last_seq: int, limit: int, before: int | None, cleared: int) -> None:
    hidden = min(cleared, last_seq)
    pages = walk(Position.of(HistoryQuery(beforeSeq=before)), hidden, last_seq, limit)
    end = last_seq + 1 if before is None else min(before, last_seq + 1)
    assert [seq for page in reversed(pages) for seq in page] == list(range(hidden + 1, end))
    assert all(len(page) <= limit for page in pages)


@given(last_seq=SEQS, limit=LIMITS, around=st.integers(1, 400), cleared=CLEARED)
def test_around(last_seq: int, limit: int, around: int, cleared: int) -> None:
    hidden = min(cleared, last_seq)
    position = Position.of(HistoryQuery(aroundSeq=around))
    seqs = position.seqs(hidden, last_seq, limit)
    assert len(seqs) == min(limit, last_seq - hidden)
    assert all(hidden < seq <= last_seq for seq in seqs)
    if hidden < around <= last_seq:
        assert around in seqs
    if hidden + limit < around < last_seq - limit:
        assert around - seqs[0] == limit // 2
    assert position.next_page(seqs, hidden, last_seq) is None


@pytest.mark.parametrize("page", ["", "!", encode_page("after:x"), encode_page("sideways:3"), encode_page("after:-1")])
def test_foreign_pages_are_refused(page: str) -> None:
    with pytest.raises(ProtocolError):
        Position.of(HistoryQuery(page=page))


def test_two_seqs_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Position.of(HistoryQuery(afterSeq=1, beforeSeq=2))
