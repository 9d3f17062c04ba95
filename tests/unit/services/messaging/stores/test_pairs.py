"""A pair of users has one conversation, whoever opens it; the pair's order is PostgreSQL's."""

from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from services.messaging.stores.pairs import pair_of


@given(st.uuids(), st.uuids())
def test_the_same_from_either_side(one: UUID, other: UUID) -> None:
    assume(one != other)
    pair = pair_of(str(one), str(other))
    assert pair == pair_of(str(other), str(one))
    assert UUID(pair.low).bytes < UUID(pair.high).bytes
    assert UUID(pair.conversation_id).version == 5
