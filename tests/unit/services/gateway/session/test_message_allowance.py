"""What passes without asking Redis."""

from services.gateway.session.message_allowance import MessageAllowance

INTERVAL, MOST = 2.0, 30
SENT, OTHER = b'{"type":"message.sent","payload":{}}', b'{"type":"message.new","payload":{}}'


def test_half_of_a_budget_is_spent_without_asking() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert [allowance.spend(1, 0.0, INTERVAL, MOST) for _ in range(15)] == [True] * 14 + [False]


def test_a_budget_fills_up_again() -> None:
    allowance = MessageAllowance(1, whole_at=30.0, era=0)
    assert not allowance.spend(1, 0.0, INTERVAL, MOST)
    assert allowance.spend(1, 2.0, INTERVAL, MOST)
    assert allowance.spend(15, 1000.0, INTERVAL, MOST)


def test_what_is_refused_takes_nothing() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert not allowance.spend(15, 0.0, INTERVAL, MOST)
    assert allowance.spend(14, 0.0, INTERVAL, MOST)


def test_it_covers_what_its_connection_sent() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert allowance.covers([OTHER, SENT, OTHER])
    assert allowance.spend(2, 0.0, INTERVAL, MOST)
    assert allowance.covers([SENT, SENT])
    assert not allowance.covers([SENT])
