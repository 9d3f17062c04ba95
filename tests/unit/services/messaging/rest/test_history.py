"""Pages of history: where each begins, and where the next one does."""

import pytest

from services.messaging.rest.history import Position
from services.messaging.rest.schemas import HistoryQuery
from shared.protocol.errors import ProtocolError
from shared.rest import encode_page


@pytest.mark.parametrize(
    ("query", "way"),
    [({}, "before"), ({"beforeSeq": 4}, "before"), ({"afterSeq": 0}, "after"), ({"aroundSeq": 4}, "around")],
)
def test_which_way_a_page_goes(query: dict[str, int], way: str) -> None:
    position = Position.of(HistoryQuery.model_validate(query))
    assert (position.way, position.seq) == (way, next(iter(query.values()), None))


@pytest.mark.parametrize("way", ["after", "before"])
def test_the_next_page_goes_on_in_the_same_direction(way: str) -> None:
    position = Position.of(HistoryQuery.model_validate({f"{way}Seq": 5}))
    seqs = range(6, 9) if way == "after" else range(2, 5)
    page = position.next_page(seqs, 0, 20)
    assert page is not None
    following = Position.of(HistoryQuery(page=page))
    assert (following.way, following.seq) == ((way, 8) if way == "after" else (way, 2))
    assert position.next_page(seqs, seqs[0] - 1, seqs[-1]) is None


@pytest.mark.parametrize("page", ["", "!", encode_page("after:x"), encode_page("sideways:3"), encode_page("after:-1")])
def test_foreign_pages_are_refused(page: str) -> None:
    with pytest.raises(ProtocolError):
        Position.of(HistoryQuery(page=page))


def test_two_seqs_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Position.of(HistoryQuery(afterSeq=1, beforeSeq=2))
