"""Which messages pass without asking Redis."""

from services.gateway.session.message_allowance import MessageAllowance
from services.gateway.transport.frames import Burst
from shared.protocol import relay

INTERVAL, MOST = 2.0, 32
SENT, OTHER = '{"type":"message.sent","payload":{}', '{"type":"message.new","payload":{}'


def burst(first: int, *texts: str) -> Burst:
    return Burst.framed([relay.DurableEvent("u", first + place, False, text, "t") for place, text in enumerate(texts)])


def test_a_quarter_of_a_budget_is_spent_without_asking() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert [allowance.spend(1, 0.0, INTERVAL, MOST) for _ in range(8)] == [True] * 7 + [False]


def test_a_budget_fills_up_again() -> None:
    allowance = MessageAllowance(1, whole_at=16.0, era=0)
    assert not allowance.spend(1, 0.0, INTERVAL, MOST)
    assert allowance.spend(1, 2.0, INTERVAL, MOST)
    assert allowance.spend(8, 1000.0, INTERVAL, MOST)


def test_what_is_refused_takes_nothing() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert not allowance.spend(8, 0.0, INTERVAL, MOST)
    assert allowance.spend(7, 0.0, INTERVAL, MOST)


def test_it_covers_what_was_sent_here() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    assert allowance.covers(burst(1, OTHER, SENT, OTHER))
    assert allowance.spend(2, 0.0, INTERVAL, MOST)
    assert allowance.covers(burst(4, SENT, SENT))
    assert not allowance.covers(burst(6, SENT))


def test_two_connections_that_get_the_same_events_count_them_once() -> None:
    allowance = MessageAllowance(1, whole_at=2.0, era=0)
    both = burst(1, SENT)
    assert [allowance.covers(both) for _ in range(2)] == [True, True]
    assert not allowance.covers(burst(2, SENT))
