"""The verdict finds each way in which messages can go wrong."""

from tools.bench.ledger import Account, judge


def account(acknowledged: list[tuple[int, int]], received: list[tuple[int, int]], sent: int = 3) -> Account:
    return Account("c", sent=sent, acknowledged=acknowledged, received=received)


GOOD = [(0, 1), (1, 2), (2, 3)]


def faults(one: Account, stored: list[tuple[int, int]]) -> str:
    return "; ".join(judge([one], {"c": stored}).faults)


def test_all_is_well() -> None:
    verdict = judge([account(GOOD, GOOD)], {"c": GOOD})
    assert (verdict.acknowledged, verdict.received, verdict.stored, verdict.faults) == (3, 3, 3, [])


def test_an_acknowledged_message_that_is_not_stored() -> None:
    assert "1 acknowledged but not stored" in faults(account(GOOD, GOOD), GOOD[:2])


def test_an_acknowledged_message_that_nobody_got() -> None:
    assert "1 acknowledged but not received, such as (2, 3)" in faults(account(GOOD, GOOD[:2]), GOOD)


def test_a_message_that_came_twice() -> None:
    assert "received twice" in faults(account(GOOD, [*GOOD, GOOD[-1]]), GOOD)


def test_messages_out_of_order() -> None:
    swapped = [(0, 1), (2, 2), (1, 3)]
    assert "received out of order" in faults(account(swapped, swapped), swapped)
    assert "received out of order" in faults(account(GOOD, [GOOD[0], GOOD[2], GOOD[1]]), GOOD)


def test_a_gap_in_history() -> None:
    gapped = [(0, 1), (1, 2), (2, 4)]
    assert "history has a gap" in faults(account(gapped, gapped), gapped)


def test_a_message_without_an_answer() -> None:
    assert "1 never answered" in faults(account(GOOD, GOOD, sent=4), GOOD)


def test_a_refused_message_was_answered() -> None:
    one = account(GOOD, GOOD, sent=4)
    one.refused = 1
    assert not faults(one, GOOD)


def test_a_conversation_may_have_a_past() -> None:
    later = [(0, 101), (1, 102)]
    one = account(later, later, sent=2)
    one.base_seq = 100
    assert not faults(one, later)
